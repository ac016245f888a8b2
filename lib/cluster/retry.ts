/** What is known of an operation whose connection failed. */
export interface LostOperation {
  /** Executing it twice has the effect of executing it once. */
  readonly idempotent: boolean;
  /** All of it had been handed to the kernel: the server may have executed it. */
  readonly written: boolean;
  /** Its deadline has passed. */
  readonly late: boolean;
  /** How many connections broke on the very answer to it, this one included. */
  readonly blamed: number;
}

/** Each of them was everybody's. */
const MOST_BROKEN = 3;

/**
 * An operation that is not idempotent and was written is never sent again, nor one whose own answer breaks connection after
 * connection.
 */
export function mayRetry(lost: LostOperation): boolean {
  return !lost.late && lost.blamed < MOST_BROKEN && (lost.idempotent || !lost.written);
}
