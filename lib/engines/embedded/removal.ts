import { readExpiryKey } from './expiry';
import { FROM_FIRST } from './lmdb';
import { TTL, type WriteBatch } from './write-batch';

const PAGE = 64;

/** Removes what is due, the longest due first, in a transaction of its own; stops after about `limit` ms. How many records. */
export function removeExpired(batch: WriteBatch, limit: number): number {
  const deadline = performance.now() + limit;
  let removed = 0;
  batch.beginTransaction(TTL);
  do {
    const page = [...batch.expiryTree.getKeys({ ...FROM_FIRST, limit: PAGE })].map(readExpiryKey);
    const due = page.filter(({ moment }) => moment <= batch.now);
    for (const each of due) batch.removeDue(each);
    removed += due.length;
    if (due.length < PAGE) break;
  } while (performance.now() < deadline);
  batch.endTransaction();
  return removed;
}
