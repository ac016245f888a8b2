import { ConflictError, type EvenkeelError } from '../../errors';
import { BOTH_VIEWS, ChangeFlag } from '../../events/change-kind';
import type { Change } from './change';
import type { ClassStore, Draft, IndexStore } from './class-store';
import { latin1 } from './latin1';
import type { PlainDraft, PlainRecord } from './plain-store';
import type { Stored } from './record-codec';
import type { Scope } from './scope';
import type { AnyRecord } from './shapes';
import { surplusOf, type Victim } from './surplus';
import { isSameVersion, type PendingVersion, type Version } from './version';
import type { WriteBatch } from './write-batch';

/** What a transaction reads below its own writes: a snapshot, or the write transaction that it is part of. */
export type Base = Pick<Scope, 'read' | 'holder' | 'readPlain' | 'nextAutoid' | 'noteAutoid'> & {
  countOf(store: ClassStore): number;
  /** The number of writes so far. */
  readonly writes: number;
};

/** A record that a transaction has written. */
export interface Entry {
  readonly key: Buffer;
  /** The record before the transaction. */
  readonly base: Stored | undefined;
  current: Stored | undefined;
  /** Set when it is applied. */
  readonly version: PendingVersion;
  /** true: removed and inserted again. */
  isRecreated: boolean;
  /** true: changed since the last checkpoint. */
  isDirty: boolean;
  checkpoints: number;
  /** Set when Time-To-Live removes it, as the last step of the transaction. */
  expiry: Expiry | undefined;
}

interface Expiry {
  readonly byCount: boolean;
  /** ms since 1970. */
  readonly dueAt: number;
}

interface PlainEntry {
  readonly key: Buffer;
  readonly base: PlainRecord | undefined;
  current: PlainRecord | undefined;
  readonly version: PendingVersion;
}

interface Step {
  readonly store: ClassStore;
  readonly kind: 'write' | 'clear' | 'checkpoint';
  readonly before: AnyRecord | undefined;
  readonly after: AnyRecord | undefined;
  count: number;
  readonly isSameTransaction: boolean;
  readonly expiry: Expiry | undefined;
}

/** The writes of a transaction to one class. */
class ClassWrites {
  readonly entries = new Map<string, Entry>();
  /** The current holder of a value in a unique index; undefined: none. */
  readonly holders = new Map<string, Buffer | undefined>();
  isCleared = false;
  /** Removed individually before the deleteAll, and therefore not by it. */
  readonly removed: Entry[] = [];
  /** The deleteAll step that removed the existing records, and the number of them that it assumed. */
  cleared: { readonly step: Step; readonly count: number } | undefined;
}

const UNVERSIONED: Version = { high: 0, low: 0 };

/**
 * The writes of a transaction, layered over what it reads. Nothing reaches the database before applyTo(), so a rollback
 * has nothing to undo.
 */
export class Overlay implements Scope {
  readonly #base: Base;
  readonly #classes = new Map<ClassStore, ClassWrites>();
  readonly #plain = new Map<string, PlainEntry>();
  /** All operations in order, for classes with events. */
  readonly #steps: Step[] = [];
  #isNetEach = true;
  /**
   * The number of insertion order positions needed. They are assigned when the overlay is applied, and are negative
   * placeholders until then.
   */
  #places = 0;

  constructor(
    base: Base,
    readonly now: number,
  ) {
    this.#base = base;
  }

  read(store: ClassStore, key: Buffer): Stored | undefined {
    const writes = this.#classes.get(store);
    const entry = writes?.entries.get(latin1(key));
    if (entry !== undefined) return entry.current;
    return writes?.isCleared ? undefined : this.#base.read(store, key);
  }

  /** The transaction's writes to the class, for scans. */
  writesOf(
    store: ClassStore,
  ): { readonly entries: ReadonlyMap<string, Entry>; readonly isCleared: boolean } | undefined {
    return this.#classes.get(store);
  }

  holder(store: ClassStore, index: IndexStore, indexKey: Buffer): Buffer | undefined {
    const writes = this.#classes.get(store);
    const name = holderName(index, indexKey);
    if (writes?.holders.has(name)) return writes.holders.get(name);
    if (writes?.isCleared) return undefined;
    return this.#base.holder(store, index, indexKey);
  }

  write(store: ClassStore, key: Buffer, before: Stored | undefined, after: Draft | undefined): Version {
    return this.#write(store, key, before, after, undefined);
  }

  #write(
    store: ClassStore,
    key: Buffer,
    before: Stored | undefined,
    after: Draft | undefined,
    expiry: Expiry | undefined,
  ): Version {
    const writes = this.#writes(store);
    const name = latin1(key);
    let entry = writes.entries.get(name);
    if (entry === undefined) {
      const base = writes.isCleared ? undefined : before;
      const version = { high: 0, low: 0 };
      entry = {
        key,
        base,
        current: base,
        version,
        isRecreated: false,
        isDirty: false,
        checkpoints: 0,
        expiry: undefined,
      };
      writes.entries.set(name, entry);
    } else {
      this.#isNetEach = false;
    }
    if (entry.base !== undefined && entry.current === undefined && after !== undefined)
      entry.isRecreated = true;
    this.#claim(store, writes, key, before, after);
    entry.current = after && {
      record: after.record,
      version: entry.version,
      expiresAt: after.expiresAt,
      order: after.order,
    };
    entry.isDirty = true;
    entry.expiry = expiry;
    const isSameTransaction = entry.base === undefined || entry.isRecreated;
    this.#step(store, 'write', before?.record, after?.record, 0, isSameTransaction, expiry);
    return entry.version;
  }

  clear(store: ClassStore): number {
    const writes = this.#writes(store);
    const found = writes.isCleared ? 0 : this.#base.countOf(store);
    let count = found;
    for (const { base, current } of writes.entries.values())
      count += Number(current !== undefined) - Number(base !== undefined);
    if (writes.entries.size > 0) this.#isNetEach = false;
    for (const entry of writes.entries.values())
      if (entry.base !== undefined && (entry.current === undefined || entry.isRecreated))
        writes.removed.push({ ...entry, current: undefined, isRecreated: false });
    writes.entries.clear();
    writes.holders.clear();
    writes.isCleared = true;
    const step = this.#step(store, 'clear', undefined, undefined, count, false);
    writes.cleared ??= { step, count: found - writes.removed.length };
    return count;
  }

  nextAutoid(store: ClassStore): bigint {
    return this.#base.nextAutoid(store);
  }

  noteAutoid(store: ClassStore, given: bigint): void {
    this.#base.noteAutoid(store, given);
  }

  nextOrder(): number {
    this.#places += 1;
    return -this.#places;
  }

  readPlain(key: Buffer): PlainRecord | undefined {
    const entry = this.#plain.get(latin1(key));
    return entry === undefined ? this.#base.readPlain(key) : entry.current;
  }

  writePlain(key: Buffer, before: PlainRecord | undefined, after: PlainDraft | undefined): Version {
    const name = latin1(key);
    let entry = this.#plain.get(name);
    if (entry === undefined) {
      entry = { base: before, current: before, version: { ...UNVERSIONED }, key };
      this.#plain.set(name, entry);
    }
    const version = after?.version ?? entry.version;
    entry.current = after && { data: after.data, flags: after.flags, expiresAt: after.expiresAt, version };
    return version;
  }

  /** Marks all changes since the last checkpoint as checkpointed. */
  checkpoint(): void {
    for (const [store, { entries }] of this.#classes) {
      for (const entry of entries.values()) {
        if (!entry.isDirty) continue;
        entry.isDirty = false;
        if (entry.current === undefined) continue;
        entry.checkpoints += 1;
        this.#step(store, 'checkpoint', undefined, entry.current.record, 0, false);
      }
    }
  }

  get isEmpty(): boolean {
    return this.#classes.size === 0 && this.#plain.size === 0;
  }

  /** Throws ConflictError when a record that the transaction writes has changed since it was read. */
  checkAgainst(batch: WriteBatch): void {
    for (const store of this.#classes.keys()) batch.assertCurrent(store);
    if (batch.isAsAfter(this.#base.writes)) return;
    for (const [store, { entries, holders, isCleared, removed }] of this.#classes) {
      for (const { key, base } of isCleared ? removed : entries.values()) {
        if (!isSameVersion(batch.versionOf(store, key), base?.version)) throw conflict(store.name);
      }
      if (isCleared) continue;
      for (const index of store.indexes) {
        for (const [name, holder] of holders) {
          if (holder === undefined || !name.startsWith(`${index.name}\0`)) continue;
          const other = batch.holder(store, index, Buffer.from(name.slice(index.name.length + 1), 'latin1'));
          // If this transaction has written the other record, that record has given up the value; otherwise the
          // transaction could not have it.
          if (other === undefined || other.equals(holder) || entries.has(latin1(other))) continue;
          if (batch.read(store, other) !== undefined) throw conflict(store.name); // otherwise it had expired
        }
      }
    }
    for (const { key, base } of this.#plain.values())
      if (!isSameVersion(batch.readPlain(key)?.version, base?.version)) throw conflict(key.toString());
    // Records that expired before a deleteAll are not removed by it, nor by this transaction.
    for (const [store, { isCleared }] of this.#classes) if (isCleared) batch.expireDue(store);
  }

  /** Writes everything, including the journal. */
  applyTo(batch: WriteBatch): void {
    for (const [store, writes] of this.#classes)
      for (const victim of surplusOf(batch, store, writes)) this.#expire(batch, store, victim);
    const steps = this.#isNetEach ? [] : [...this.#steps];
    const cleared = [...this.#classes].flatMap(([store, { removed, cleared }]) =>
      cleared === undefined ? [] : [{ store, removed, ...cleared, at: steps.indexOf(cleared.step) }],
    );
    for (const { store, removed, step, count } of cleared.sort((a, b) => a.at - b.at)) {
      for (const entry of removed) this.#applyEntry(batch, store, entry);
      // Others may have inserted records since the count, and some may have expired.
      step.count += batch.countOf(store) - count;
      // The operations up to this deleteAll come before the records it removes.
      for (const each of steps.splice(0, steps.indexOf(step) + 1)) batch.record(eachChange(each));
      batch.clear(store, this.#netFlag);
    }
    for (const [store, { entries }] of this.#classes) {
      if (store.order !== undefined) givePlaces(batch, entries.values());
      for (const entry of entries.values()) this.#applyEntry(batch, store, entry);
    }
    for (const { key, base, current, version } of this.#plain.values()) {
      const kept = current?.version === version ? undefined : current?.version;
      Object.assign(version, batch.writePlain(key, base, current && { ...current, version: kept }));
    }
    for (const step of steps) batch.record(eachChange(step));
  }

  /** Like an operation of the transaction, so that a single event reports both. */
  #expire(batch: WriteBatch, store: ClassStore, { key, stored, byCount }: Victim): void {
    const dueAt = byCount ? batch.now : (stored.expiresAt ?? batch.now);
    this.#write(store, key, stored, undefined, { byCount, dueAt });
  }

  #applyEntry(batch: WriteBatch, store: ClassStore, entry: Entry): void {
    const { key, base, current, isRecreated, checkpoints, expiry } = entry;
    if (base === undefined && current === undefined) return;
    const { payload, version } = batch.put(store, key, base, current);
    if (base === undefined && store.autoid !== undefined)
      batch.noteAutoid(store, current?.record[store.autoid] as bigint);
    entry.version.high = version.high;
    entry.version.low = version.low;
    const before = base && {
      record: base.record,
      payload: () => store.codec.encode(base.record, base).payload,
    };
    const after = current && { record: current.record, payload: () => payload as Buffer };
    if (isRecreated && before !== undefined && after !== undefined) {
      batch.record(store.changeOf(before, undefined, ChangeFlag.net));
      batch.record(store.changeOf(undefined, after, ChangeFlag.net));
    } else if (expiry !== undefined && before !== undefined && !isRecreated) {
      batch.record(store.expireChange(before.payload(), expiry, this.#netFlag));
    } else {
      batch.record(store.changeOf(before, after, this.#netFlag));
    }
    if (checkpoints > 0 && payload !== undefined)
      batch.record(store.checkpointChange(payload, checkpoints, this.#netFlag));
  }

  /** If each record was written only once, the two views are the same. */
  get #netFlag(): number {
    return this.#isNetEach ? BOTH_VIEWS : ChangeFlag.net;
  }

  #claim(
    store: ClassStore,
    { holders }: ClassWrites,
    key: Buffer,
    before: Stored | undefined,
    after: Draft | undefined,
  ): void {
    for (const index of store.indexes) {
      if (!index.index.unique) continue;
      const old = before && store.indexKey(index, before.record, key);
      const fresh = after && store.indexKey(index, after.record, key);
      if (old !== undefined && fresh?.equals(old)) continue;
      if (old !== undefined) holders.set(holderName(index, old), undefined);
      if (fresh !== undefined) holders.set(holderName(index, fresh), key);
    }
  }

  #step(
    store: ClassStore,
    kind: Step['kind'],
    before: AnyRecord | undefined,
    after: AnyRecord | undefined,
    count: number,
    isSameTransaction: boolean,
    expiry?: Expiry,
  ): Step {
    const step = { store, kind, before, after, count, isSameTransaction, expiry };
    if (!store.isTold) return step;
    if (kind !== 'write') this.#isNetEach = false;
    this.#steps.push(step);
    return step;
  }

  #writes(store: ClassStore): ClassWrites {
    let writes = this.#classes.get(store);
    if (writes === undefined) {
      writes = new ClassWrites();
      this.#classes.set(store, writes);
    }
    return writes;
  }
}

/** In insertion order, which may differ from the order in which the transaction first wrote the records. */
function givePlaces(batch: WriteBatch, entries: Iterable<Entry>): void {
  const placeOf = ({ current }: Entry): number => current?.order ?? 0;
  const pending = [...entries].filter((entry) => placeOf(entry) < 0).sort((a, b) => placeOf(b) - placeOf(a));
  for (const entry of pending)
    entry.current = entry.current && { ...entry.current, order: batch.nextOrder() };
}

function eachChange(step: Step): Change | undefined {
  const { store, kind, before, after, count, isSameTransaction, expiry } = step;
  const flags =
    ChangeFlag.each | (isSameTransaction && before !== undefined ? ChangeFlag.sameTransaction : 0);
  const image = (record: AnyRecord | undefined) =>
    record && { record, payload: () => payloadOf(store, record) };
  if (kind === 'clear') return store.deleteAllChange(count, flags);
  if (kind === 'checkpoint') return after && store.checkpointChange(payloadOf(store, after), 1, flags);
  if (expiry !== undefined) return before && store.expireChange(payloadOf(store, before), expiry, flags);
  return store.changeOf(image(before), image(after), flags);
}

function payloadOf(store: ClassStore, record: AnyRecord): Buffer {
  return store.codec.encode(record, { version: UNVERSIONED, expiresAt: undefined, order: undefined }).payload;
}

function holderName({ name }: IndexStore, indexKey: Buffer): string {
  return `${name}\0${latin1(indexKey)}`;
}

function conflict(what: string): EvenkeelError {
  return new ConflictError(`the transaction writes ${what}, which others have changed since it was read`);
}
