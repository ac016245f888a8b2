import type { Kind, Operation } from '../../transactions/operation';

/** 'late': for want of time only. */
export type Retry = { readonly after: Promise<unknown> } | 'late';

/** What an engine adds to its operations beyond key, value and details. */
export interface Extension {
  /**
   * Writes further parameters of the call. Returns CODE_… bits, or what is to resolve before the operation can be handed in; where
   * that rejects, the operation does.
   */
  prepare(operation: Operation, words: Uint32Array, usualTimeout: number): number | Promise<unknown>;
  /** Whether an answer with this status, other than SUCCESS, is what was asked for. */
  isSuccess(kind: Kind, status: number): boolean;
  /** After which an operation that was answered with the status is handed in again; undefined: the status is final. */
  retry(operation: Operation, status: number, body: () => Buffer): Retry | undefined;
}
