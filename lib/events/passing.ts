import { isDamage } from '../damage';
import { BackpressureError, StorageError, TimeoutError } from '../errors';

const LONGEST_PAUSE_MS = 2000;

/**
 * Whether a failed write is worth retrying: too many writes were queued, another process holds the lock, or the disk is
 * full.
 */
export function isPassing(error: unknown): boolean {
  if (error instanceof StorageError) return !isDamage(error);
  return error instanceof BackpressureError || error instanceof TimeoutError;
}

/** ms to wait after so many failures in a row; `first` after none. */
export function pauseAfter(failures: number, first: number): number {
  return Math.min(LONGEST_PAUSE_MS, first * 2 ** Math.min(failures, 16));
}
