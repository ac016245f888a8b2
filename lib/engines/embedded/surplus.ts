import type { ClassStore } from './class-store';
import { latin1 } from './latin1';
import { FROM_FIRST } from './lmdb';
import type { Stored } from './record-codec';
import type { WriteBatch } from './write-batch';

/** A transaction's writes to a class. */
export interface Written {
  readonly entries: ReadonlyMap<
    string,
    { readonly key: Buffer; readonly base: Stored | undefined; readonly current: Stored | undefined }
  >;
  /** true: all existing records are removed. */
  readonly isCleared: boolean;
}

/** A record to remove. */
export interface Victim {
  readonly key: Buffer;
  readonly stored: Stored;
  /** true: removed because there are too many records; false: because it has expired. */
  readonly byCount: boolean;
}

/**
 * What a transaction has to remove from a class that limits its number of records: expired records, and then the oldest
 * ones above the limit.
 */
export function surplusOf(batch: WriteBatch, store: ClassStore, written: Written): Victim[] {
  const most = store.definition.ttl?.count;
  if (most === undefined || store.order === undefined) return [];
  let count = countOf(batch, store, written);
  if (count <= most) return [];
  if (!written.isCleared && batch.expireDue(store) > 0) count = countOf(batch, store, written);
  const victims: Victim[] = [];
  const own: Victim[] = [];
  for (const { key, current: stored } of written.entries.values()) {
    if (stored === undefined) continue;
    const isDue = stored.expiresAt !== undefined && stored.expiresAt <= batch.now;
    (isDue ? victims : own).push({ key, stored, byCount: !isDue });
  }
  const surplus = count - victims.length - most;
  if (own.length > 1) own.sort(byPlace);
  let mine = 0;
  let others = 0;
  const placed = untouched(store, written, surplus);
  for (let left = surplus; left > 0; left -= 1) {
    const victim = own[mine];
    const other = placed[others];
    if (victim !== undefined && (other === undefined || isOlder(victim, other))) {
      victims.push(victim);
      mine += 1;
    } else if (other !== undefined) {
      const key = Buffer.from(other.value);
      const stored = store.read(key);
      if (stored !== undefined) victims.push({ key, stored, byCount: true });
      others += 1;
    }
  }
  return victims;
}

/** The number of records after the transaction. */
function countOf(batch: WriteBatch, store: ClassStore, { entries, isCleared }: Written): number {
  let count = isCleared ? 0 : batch.countOf(store);
  for (const { base, current } of entries.values())
    count += Number(current !== undefined) - Number(base !== undefined && !isCleared);
  return count;
}

/** A position in insertion order, and the key of its record. */
interface Placed {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Records that the transaction has not written, the oldest first: at least `count`, if there are as many. */
function untouched({ order }: ClassStore, { entries, isCleared }: Written, count: number): Placed[] {
  if (order === undefined || isCleared || count <= 0) return [];
  let limit = count;
  for (const { base } of entries.values()) limit += Number(base !== undefined);
  const placed = [...order.getRange({ ...FROM_FIRST, limit })];
  return limit === count ? placed : placed.filter(({ value }) => !entries.has(latin1(value)));
}

/** Positions that are not yet assigned are negative, count down, and come after all assigned ones. */
function byPlace(a: Victim, b: Victim): number {
  const [first, second] = [a.stored.order ?? 0, b.stored.order ?? 0];
  return first < 0 === second < 0 ? Math.abs(first) - Math.abs(second) : second - first;
}

function isOlder({ stored: { order = 0 } }: Victim, { key }: Placed): boolean {
  return order >= 0 && order < Buffer.from(key.buffer, key.byteOffset, key.byteLength).readDoubleBE();
}
