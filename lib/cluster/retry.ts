/** What is known about an operation whose connection failed. */
export interface LostOperation {
  /** Executing it twice has the same effect as executing it once. */
  readonly idempotent: boolean;
  /** It was completely handed to the kernel, so the server may have executed it. */
  readonly written: boolean;
  /** Its deadline has passed. */
  readonly late: boolean;
  /** The number of connections that broke while reading the answer to this operation, including this one. */
  readonly blamed: number;
}

/** Low, because each broken connection affected all its operations. */
const MOST_BROKEN = 3;

/** Never resends a written operation that is not idempotent, nor one whose answer repeatedly breaks connections. */
export function mayRetry(lost: LostOperation): boolean {
  return !lost.late && lost.blamed < MOST_BROKEN && (lost.idempotent || !lost.written);
}
