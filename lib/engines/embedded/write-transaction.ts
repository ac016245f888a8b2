import type { Root } from './lmdb';

const NOTHING = Buffer.from('nothing');

/**
 * A write transaction of LMDB that is committed when `work` has returned, or what it returns has resolved, and given up
 * when that fails. A worker that is terminated in the middle of `work` comes to neither, and the thread that commits goes
 * on. So something follows that removes nothing: what `work` had begun is a child of LMDB's transaction, and LMDB refuses
 * whatever is done beside an open child, and with it the commit.
 */
export function writeTransaction<Result>(root: Root, work: () => Result): Promise<Awaited<Result>> {
  const done = root.childTransaction(work);
  root.remove(NOTHING).catch(() => {});
  return done as Promise<Awaited<Result>>;
}
