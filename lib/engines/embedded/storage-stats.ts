import type { StorageStats } from '../../observability/stats';
import type { Environment } from './environment';
import type { Root } from './lmdb';
import { readState } from './state';

/** Members of the lmdb package that its types omit. */
interface Lmdb {
  readonly env: {
    info(): {
      readonly mapSize: number;
      readonly lastPageNumber: number;
      readonly lastTxnId: number;
      readonly numReaders: number;
    };
    stat(): { readonly pageSize: number };
  };
}

/** Throws ClosedError when the database is closed. */
export function storageStats(environment: Environment): StorageStats {
  environment.assertOpen();
  environment.freshen();
  const { env } = environment.root as Root & Lmdb;
  const { mapSize, lastPageNumber, lastTxnId, numReaders } = env.info();
  const { seq, oldest, journalBytes } = readState(environment.trees.meta);
  return {
    mapBytes: mapSize,
    usedBytes: (lastPageNumber + 1) * env.stat().pageSize,
    readers: numReaders,
    commits: lastTxnId,
    journal: { oldest, newest: seq, bytes: journalBytes },
  };
}
