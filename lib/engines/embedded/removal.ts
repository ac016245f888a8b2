import { performanceNow } from '../../platform';
import { type Due, readExpiryKey } from './expiry';
import { FROM_FIRST } from './lmdb';
import { TTL, type WriteBatch } from './write-batch';

const PAGE = 64;

/** Removes due records, the oldest first, in a separate transaction; stops after about `limit` ms. */
export function removeExpired(batch: WriteBatch, limit: number): void {
  if (batch.nextExpiry > batch.now) return;
  const deadline = performanceNow() + limit;
  batch.beginTransaction(TTL);
  do {
    const due: Due[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const key of batch.expiryTree.getKeys({ ...FROM_FIRST, limit: PAGE })) {
      const each = readExpiryKey(key);
      if (each.moment > batch.now) {
        next = each.moment;
        break;
      }
      due.push(each);
    }
    for (const each of due) batch.removeDue(each);
    if (due.length < PAGE) {
      batch.nextExpiry = next;
      break;
    }
  } while (performanceNow() < deadline);
  batch.endTransaction();
}
