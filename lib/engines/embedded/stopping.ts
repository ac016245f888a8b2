import { isMainThread } from 'node:worker_threads';
import { loadAddon } from '../../native/load';
import type { Root, Snapshot } from './lmdb';

/** The native calls of the lmdb package in a write, however few records it writes. */
const WRITING = ['startWriting', 'beginTxn', 'commitTxn', 'abortTxn', 'resumeWriting', 'readerCheck'];
const READING = ['renew', 'abort'];

const known = new WeakSet<object>();

/**
 * A terminated worker continues until V8's next check. Until then, these calls of the lmdb package would end the whole
 * process. Each one therefore goes through a function that checks first, and waits here for the termination. A short
 * window remains between this check and the package's own, and for the objects that the package constructs:
 * transactions and cursors.
 */
function stopBefore(names: readonly string[], object: object): void {
  if (isMainThread || known.has(object)) return;
  known.add(object);
  const { attempt } = loadAddon();
  for (const name of names) {
    const method = (object as Record<string, (...args: never[]) => unknown>)[name] as () => unknown;
    // Nobody uses their return values.
    const value = (first: unknown, second: unknown): void => {
      while (!attempt(object, method, first, second)); // V8 checks on each iteration of a loop
    };
    Object.defineProperty(object, name, { value, configurable: true });
  }
}

export function stopBeforeWrites(root: Root): void {
  stopBefore(WRITING, (root as unknown as { readonly env: object }).env);
}

export function stopBeforeReads(snapshot: Snapshot): void {
  stopBefore(READING, snapshot);
}
