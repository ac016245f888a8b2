import { isMainThread } from 'node:worker_threads';
import { loadAddon } from '../../native/load';
import type { Root, Snapshot } from './lmdb';

/** What the way of a write calls of the lmdb package's native environment, however few records it writes. */
const WRITING = ['startWriting', 'beginTxn', 'commitTxn', 'abortTxn', 'resumeWriting', 'readerCheck'];
const READING = ['renew', 'abort'];

const known = new WeakSet<object>();

/**
 * A worker that is terminated goes on until V8 looks next whether it may; in between, these calls of the lmdb package end
 * the whole process. So each goes by a function that looks first, and the end is waited for here. What is left is the
 * moment between that look and the package's own, and what it constructs: transactions and cursors.
 */
function stopBefore(names: readonly string[], object: object): void {
  if (isMainThread || known.has(object)) return;
  known.add(object);
  const { attempt } = loadAddon();
  for (const name of names) {
    const method = (object as Record<string, (...args: never[]) => unknown>)[name] as () => unknown;
    // Nobody uses what they return.
    const value = (first: unknown, second: unknown): void => {
      while (!attempt(object, method, first, second)); // each turn of a loop is where V8 looks
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
