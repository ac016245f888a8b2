import { isError } from '../../foreign';
import { clearImmediate, setImmediate, setTimeout } from '../../platform';
import { beginCommit, endCommit } from './leaving';
import type { Root } from './lmdb';

const NOTHING = Buffer.from('nothing');

/**
 * A write transaction of LMDB that is committed when `work` has returned, or what it returns has resolved, and given up
 * when that fails. A worker that is terminated in the middle of `work` comes to neither, and the thread that commits goes
 * on. So something follows that removes nothing: what `work` had begun is a child of LMDB's transaction, and LMDB refuses
 * whatever is done beside an open child, and with it the commit.
 */
export function writeTransaction<Result>(root: Root, work: () => Result): Promise<Awaited<Result>> {
  beginCommit();
  const done = withImmediates(() => {
    const child = root.childTransaction(work);
    root.remove(NOTHING).catch(() => {});
    return child;
  });
  done.then(endCommit, endCommit);
  return done as Promise<Awaited<Result>>;
}

/**
 * The lmdb package begins to write in an immediate, and takes the global functions for it when it needs them: where they
 * are a test's fakes nothing would ever be written. So they are Node's for as long as it runs.
 */
function withImmediates<Result>(call: () => Result): Result {
  const theirs = { set: globalThis.setImmediate, clear: globalThis.clearImmediate };
  if (theirs.set === setImmediate && theirs.clear === clearImmediate) return call();
  const put = (set: unknown, clear: unknown): void => {
    Reflect.set(globalThis, 'setImmediate', set);
    Reflect.set(globalThis, 'clearImmediate', clear);
  };
  put((callback: () => void) => setImmediate(() => withImmediates(callback)), clearImmediate);
  try {
    return call();
  } finally {
    put(theirs.set, theirs.clear);
  }
}

/** A failed commit says why in a promise of its own. */
export async function causeOf(error: unknown): Promise<unknown> {
  if (!isError(error) || !('commitError' in error)) return error;
  const later = new Promise((resolve) => setTimeout(resolve, 100, error));
  return Promise.race([(error.commitError as Promise<never>).catch((cause: unknown) => cause), later]);
}
