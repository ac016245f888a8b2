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
  const done = root.childTransaction(work);
  root.remove(NOTHING).catch(() => {});
  done.then(endCommit, endCommit);
  return done as Promise<Awaited<Result>>;
}

/** A failed commit says why in a promise of its own. */
export async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  const later = new Promise((resolve) => setTimeout(resolve, 100, error));
  return Promise.race([(error.commitError as Promise<never>).catch((cause: unknown) => cause), later]);
}
