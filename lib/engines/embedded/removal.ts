import { type Due, readExpiryKey } from './expiry';
import { FROM_FIRST } from './lmdb';
import { TTL, type WriteBatch } from './write-batch';

const PAGE = 64;

/** Removes what is due, the longest due first, in a transaction of its own; stops after about `limit` ms. */
export function removeExpired(batch: WriteBatch, limit: number): void {
  const deadline = performance.now() + limit;
  batch.beginTransaction(TTL);
  do {
    const due: Due[] = [];
    for (const key of batch.expiryTree.getKeys({ ...FROM_FIRST, limit: PAGE })) {
      const each = readExpiryKey(key);
      if (each.moment > batch.now) break;
      due.push(each);
    }
    for (const each of due) batch.removeDue(each);
    if (due.length < PAGE) break;
  } while (performance.now() < deadline);
  batch.endTransaction();
}
