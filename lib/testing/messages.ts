/** Errors lose `code` in structured clone; this is what of one crosses between the threads. */
export interface SentError {
  readonly message: string;
  readonly code: string | undefined;
}

export interface CallMessage {
  readonly id: number;
  readonly name: string;
  readonly args: unknown[];
}

/** `started` has what the other thread needs to know at first. */
export type ReplyMessage<Started> =
  | { readonly kind: 'started'; readonly started: Started }
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
