/** What is known of an operation whose connection failed. */
export interface LostOperation {
  /** Executing it twice has the effect of executing it once. */
  readonly idempotent: boolean;
  /** All of it had been handed to the kernel: the server may have executed it. */
  readonly written: boolean;
  /** Its deadline has passed. */
  readonly late: boolean;
}

/** An operation that is not idempotent and was written is never sent again. */
export function mayRetry(lost: LostOperation): boolean {
  return !lost.late && (lost.idempotent || !lost.written);
}
