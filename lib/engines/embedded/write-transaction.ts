import { isError } from '../../foreign';
import { clearImmediate, setImmediate, setTimeout } from '../../platform';
import { beginCommit, endCommit } from './leaving';
import type { Root } from './lmdb';

const NOTHING = Buffer.from('nothing');

/**
 * An LMDB write transaction that is committed when `work` has returned (or its promise has resolved), and rolled back
 * when it fails. A worker that is terminated during `work` reaches neither, while the committing thread continues.
 * Therefore a no-op removal follows: the work is a child transaction, and LMDB refuses other operations beside an open
 * child, and with them the commit.
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
 * The lmdb package starts writing in an immediate and looks up the global functions when it needs them. If they are a
 * test's fakes, nothing would ever be written. So they are replaced by Node's during the call.
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

/** The cause of a failed commit is in a separate promise. */
export async function causeOf(error: unknown): Promise<unknown> {
  if (!isError(error) || !('commitError' in error)) return error;
  const later = new Promise((resolve) => setTimeout(resolve, 100, error));
  return Promise.race([(error.commitError as Promise<never>).catch((cause: unknown) => cause), later]);
}
