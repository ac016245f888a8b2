import type { Address, ServerOperations } from './operations';

/** Errors lose `code` in structured clone; this is what of one crosses between the threads. */
export interface SentError {
  readonly message: string;
  readonly code: string | undefined;
}

export interface CallMessage {
  readonly id: number;
  readonly name: keyof ServerOperations;
  readonly args: unknown[];
}

export type ReplyMessage =
  | { readonly kind: 'started'; readonly address: Address }
  | { readonly kind: 'failed'; readonly error: SentError }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: SentError };

export function sentError(thrown: unknown): SentError {
  if (!(thrown instanceof Error)) return { message: String(thrown), code: undefined };
  return { message: thrown.message, code: 'code' in thrown ? String(thrown.code) : undefined };
}

export function revivedError({ message, code }: SentError): Error {
  const error = new Error(message);
  return code === undefined ? error : Object.assign(error, { code });
}
