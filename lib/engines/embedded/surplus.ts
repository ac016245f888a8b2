import type { ClassStore } from './class-store';
import { latin1 } from './latin1';
import { FROM_FIRST } from './lmdb';
import type { Stored } from './record-codec';
import type { WriteBatch } from './write-batch';

/** What a transaction writes of a class. */
export interface Written {
  readonly entries: ReadonlyMap<
    string,
    { readonly key: Buffer; readonly base: Stored | undefined; readonly current: Stored | undefined }
  >;
  /** All that there was before is removed. */
  readonly isCleared: boolean;
}

/** A record that goes. */
export interface Victim {
  readonly key: Buffer;
  readonly stored: Stored;
  /** Because there are too many; otherwise because its time is over. */
  readonly byCount: boolean;
}

/**
 * What has to go with the transaction where a class keeps a number of records: what has expired, and the oldest of what is
 * too much then.
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

/** How many records there will be. */
function countOf(batch: WriteBatch, store: ClassStore, { entries, isCleared }: Written): number {
  let count = isCleared ? 0 : batch.countOf(store);
  for (const { base, current } of entries.values())
    count += Number(current !== undefined) - Number(base !== undefined && !isCleared);
  return count;
}

/** A place in the order of insertion, and the key of the record that has it. */
interface Placed {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** What the transaction has not written, the oldest first, at least `count` if there are as many. */
function untouched({ order }: ClassStore, { entries, isCleared }: Written, count: number): Placed[] {
  if (order === undefined || isCleared || count <= 0) return [];
  let limit = count;
  for (const { base } of entries.values()) limit += Number(base !== undefined);
  const placed = [...order.getRange({ ...FROM_FIRST, limit })];
  return limit === count ? placed : placed.filter(({ value }) => !entries.has(latin1(value)));
}

/** A place that is still to be given is below 0, the next one by 1 lower, and comes after all that are given. */
function byPlace(a: Victim, b: Victim): number {
  const [first, second] = [a.stored.order ?? 0, b.stored.order ?? 0];
  return first < 0 === second < 0 ? Math.abs(first) - Math.abs(second) : second - first;
}

function isOlder({ stored: { order = 0 } }: Victim, { key }: Placed): boolean {
  return order >= 0 && order < Buffer.from(key.buffer, key.byteOffset, key.byteLength).readDoubleBE();
}
