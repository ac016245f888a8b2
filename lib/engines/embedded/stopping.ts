import { isMainThread } from 'node:worker_threads';
import { loadAddon } from '../../native/load';
import type { Root } from './lmdb';

/** What the way of a write calls of the lmdb package's native environment, however few records it writes. */
const CALLS = ['startWriting', 'beginTxn', 'commitTxn', 'abortTxn', 'resumeWriting'] as const;
type Native = Record<(typeof CALLS)[number], (...args: never[]) => unknown>;

/**
 * A worker that is terminated goes on until V8 looks next whether it may; in between, these calls of the lmdb package end
 * the whole process. So it is looked before each of them, and waited for the end here. What is left is the moment between
 * the look and the call, and what opens a cursor.
 */
export function stopBeforeWrites(root: Root): void {
  if (isMainThread) return;
  const { attempt } = loadAddon();
  const { env } = root as unknown as { readonly env: Native };
  for (const name of CALLS) {
    const call = env[name];
    Object.defineProperty(env, name, {
      value: (first: unknown, second: unknown) => {
        while (!attempt(env, call, first, second)); // each turn of a loop is where V8 looks
      },
    });
  }
}
