import { delay } from '../platform';
import { BACK_OFF_MS } from './driver';
import type { Operation } from './operation';
import { type CacheClient, send } from './send';

export interface BatchResult {
  readonly done: number;
  readonly failed: number;
  /** The error of the first failed operation. */
  readonly error: unknown;
}

/** After this many failures in a row for each worker, the server is considered gone. */
const PATIENCE = 2;

/**
 * Performs all operations, `concurrency` at a time, until `stopped` returns true or the server is gone. Never rejects.
 */
export async function performAll(
  client: CacheClient,
  operations: Iterator<Operation>,
  concurrency: number,
  stopped: () => boolean = () => false,
): Promise<BatchResult> {
  let done = 0;
  let failed = 0;
  let failedInRow = 0;
  let firstError: unknown;
  const worker = async (): Promise<void> => {
    while (!stopped() && failedInRow < PATIENCE * concurrency) {
      const next = operations.next();
      if (next.done === true) return;
      try {
        await send(client, next.value);
        done++;
        failedInRow = 0;
      } catch (error) {
        firstError ??= error;
        failed++;
        failedInRow++;
        await delay(BACK_OFF_MS);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { done, failed, error: firstError };
}
