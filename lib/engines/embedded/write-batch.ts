import { isDamage } from '../../damage';
import { ValidationError } from '../../errors';
import { BOTH_VIEWS } from '../../events/change-kind';
import type { Change, TransactionMarks } from './change';
import type { ClassStore, Draft, IndexStore } from './class-store';
import type { Environment } from './environment';
import { type Due, dueBy, expiryKey } from './expiry';
import { JournalWriter } from './journal';
import { entryCount, FROM_FIRST, peek, peekRaw, type Tree } from './lmdb';
import { encodePlain, type PlainDraft, type PlainRecord, readPlain } from './plain-store';
import { expiryOf, type Stored, versionIn } from './record-codec';
import type { Scope } from './scope';
import { readState, type State, writeState } from './state';
import type { Version } from './version';

/** The marks of transactions that contain only removals by Time-To-Live. */
export const TTL: TransactionMarks = { origin: 'ttl' };
const PRESENT = Buffer.from([1]);
const PLAIN_CLASS = 0;
/** The number of autoids reserved at once, so that the counter is not written with every record. */
const AUTOID_BLOCK = 64n;
/** Never assigned: as the next number, it means that there are none left. */
const LARGEST_AUTOID = 2n ** 64n - 1n;

/** One LMDB write transaction, in which any number of this package's transactions run one after the other. */
export class WriteBatch implements Scope {
  readonly now: number;
  readonly #environment: Environment;
  readonly #state: State;
  readonly #journal: JournalWriter;
  #marks: TransactionMarks | undefined;
  #expired = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#state = readState(environment.trees.meta);
    environment.checkSchemaVersion(this.#state.schemaVersion);
    this.#state.time = Math.max(this.#state.time, environment.now());
    this.now = this.#state.time;
    this.#journal = new JournalWriter(environment.trees.journal, this.#state);
  }

  get hasEvents(): boolean {
    return this.#journal.hasGrown;
  }

  /** Starts a transaction with what its writer attached to it. */
  beginTransaction(marks: TransactionMarks | undefined): void {
    this.#marks = marks;
  }

  /** Makes the changes since the last end one transaction of the journal, if anything was journalled. */
  endTransaction(): void {
    this.#journal.end();
    this.#marks = undefined;
  }

  record(change: Change | undefined): void {
    if (change !== undefined) this.#journal.add(change, this.#marks);
  }

  finish(): void {
    this.#journal.flush(this.#environment.retention, this.#environment.trimming);
    writeState(this.#environment.trees.meta, this.#state);
  }

  /** Throws SchemaMismatchError when the class has changed since the store was made. */
  assertCurrent(store: ClassStore): void {
    this.#environment.catalog.assertCurrent(store);
  }

  read(store: ClassStore, key: Buffer): Stored | undefined {
    const stored = store.read(key);
    if (stored === undefined || !this.#isDue(stored.expiresAt)) return stored;
    this.#expireAlone(store, key, stored);
    return undefined;
  }

  /** The version of the record that read() would find, without decoding it. */
  versionOf(store: ClassStore, key: Buffer): Version | undefined {
    const bytes = peekRaw(store.records, key);
    if (bytes === undefined) return undefined;
    return expiryOf(bytes) <= this.now ? this.read(store, key)?.version : versionIn(bytes);
  }

  /** Includes records that are due but not yet removed. */
  holder(_store: ClassStore, { tree }: IndexStore, indexKey: Buffer): Buffer | undefined {
    const key = peek(tree, indexKey);
    return key && Buffer.from(key);
  }

  write(store: ClassStore, key: Buffer, before: Stored | undefined, after: Draft | undefined): Version {
    const version = this.#nextVersion();
    const payload = this.#store(store, key, before, after, version);
    this.record(
      store.changeOf(
        before && { record: before.record, payload: () => store.codec.encode(before.record, before).payload },
        after && { record: after.record, payload: () => payload as Buffer },
        BOTH_VIEWS,
      ),
    );
    return version;
  }

  /**
   * Like write(), without journalling; returns the record's bytes in the journal's form, if there is a record after it.
   */
  put(
    store: ClassStore,
    key: Buffer,
    before: Stored | undefined,
    after: Draft | undefined,
  ): { readonly payload: Buffer | undefined; readonly version: Version } {
    const version = this.#nextVersion();
    return { payload: this.#store(store, key, before, after, version), version };
  }

  /** Removes an expired record. */
  #expire(store: ClassStore, key: Buffer, stored: Stored): void {
    this.#store(store, key, stored, undefined, this.#nextVersion());
    const { payload } = store.codec.encode(stored.record, stored);
    this.record(
      store.expireChange(payload, { dueAt: stored.expiresAt ?? this.now, byCount: false }, BOTH_VIEWS),
    );
  }

  get expiryTree(): Tree {
    return this.#environment.trees.expiry;
  }

  get writes(): number {
    return this.#state.writes;
  }

  /** Whether nothing was written or has expired since `writes` writes. */
  isAsAfter(writes: number): boolean {
    return this.#state.writes === writes && this.nextExpiry > this.now;
  }

  /** The time before which nothing expires. */
  get nextExpiry(): number {
    return this.#state.nextExpiry;
  }

  set nextExpiry(moment: number) {
    this.#state.nextExpiry = moment;
  }

  /** The number of records that expired in it without a request, since the last call. */
  takeExpired(): number {
    const expired = this.#expired;
    this.#expired = 0;
    return expired;
  }

  /** Removes a record that is due. */
  removeDue({ moment, classId, key }: Due): void {
    this.#expired += 1;
    if (classId === PLAIN_CLASS) {
      const record = readable(() => readPlain(this.#environment.trees.plain, key));
      if (record !== undefined && record.expiresAt === moment) this.removePlain(key, record);
      else this.expiryTree.removeSync(expiryKey(moment, classId, key));
      return;
    }
    const store = this.#environment.catalog.byId(classId);
    const stored = store && readable(() => store.read(key));
    if (store !== undefined && stored !== undefined && stored.expiresAt === moment)
      this.#expire(store, key, stored);
    else this.expiryTree.removeSync(expiryKey(moment, classId, key));
  }

  /** Removes all records; `views` are the views that show this. Returns their number. */
  clear(store: ClassStore, views: number = BOTH_VIEWS): number {
    this.expireDue(store);
    const count = this.countOf(store);
    if (count === 0) return 0;
    this.#state.writes += 1;
    this.record(store.deleteAllChange(count, views));
    if (this.#environment.expanders.wants(store)) this.#recordVictims(store);
    if (this.nextExpiry < Number.POSITIVE_INFINITY) this.#forgetExpiries(store);
    store.records.clearSync();
    for (const { tree } of store.indexes) tree.clearSync();
    store.order?.clearSync();
    return count;
  }

  /** The number of stored records, including those that are due but not yet removed. */
  countOf({ records }: ClassStore): number {
    return entryCount(records);
  }

  nextAutoid(store: ClassStore): bigint {
    let block = this.#environment.autoids.get(store.id);
    if (block === undefined || block.next >= block.end) block = this.refillAutoids(store);
    block.next += 1n;
    return block.next - 1n;
  }

  /** Reserves numbers that nobody else gets. */
  refillAutoids({ id, name, autoid }: ClassStore): { next: bigint; readonly end: bigint } {
    const { meta } = this.#environment.trees;
    const next = peek(meta, autoidKey(id))?.readBigUInt64LE() ?? 1n;
    if (next === LARGEST_AUTOID) {
      throw new ValidationError(`${name}: ${autoid} has no number left`, {
        context: { path: autoid, class: name },
      });
    }
    const block = { next, end: atMost(LARGEST_AUTOID, next + AUTOID_BLOCK) };
    putCounter(meta, id, block.end);
    this.#environment.autoids.set(id, block);
    return block;
  }

  noteAutoid({ id }: ClassStore, given: bigint): void {
    const { meta } = this.#environment.trees;
    const next = peek(meta, autoidKey(id))?.readBigUInt64LE() ?? 1n;
    if (given >= next) putCounter(meta, id, given + 1n);
    const block = this.#environment.autoids.get(id);
    if (block !== undefined && given >= block.next && given < block.end) block.next = given + 1n;
  }

  nextOrder(): number {
    this.#state.order += 1;
    return this.#state.order;
  }

  readPlain(key: Buffer): PlainRecord | undefined {
    const record = readPlain(this.#environment.trees.plain, key);
    if (record === undefined || !this.#isDue(record.expiresAt)) return record;
    this.removePlain(key, record);
    return undefined;
  }

  writePlain(key: Buffer, before: PlainRecord | undefined, after: PlainDraft | undefined): Version {
    const next = this.#nextVersion();
    const version = after?.version ?? next;
    if (after === undefined) {
      if (before !== undefined) this.removePlain(key, before);
      return version;
    }
    this.#environment.trees.plain.putSync(key, encodePlain(after, version));
    this.#moveExpiry(PLAIN_CLASS, key, before?.expiresAt, after.expiresAt);
    return version;
  }

  removePlain(key: Buffer, record: PlainRecord): void {
    this.#state.writes += 1;
    this.#environment.trees.plain.removeSync(key);
    this.#moveExpiry(PLAIN_CLASS, key, record.expiresAt, undefined);
  }

  /**
   * Called on the first read of an expired record, before the transaction has changed anything: the removal gets its
   * own transaction.
   */
  #expireAlone(store: ClassStore, key: Buffer, stored: Stored): void {
    const marks = this.#marks;
    const isAlone = !this.#journal.isOpen;
    if (isAlone) this.#marks = TTL;
    this.#expire(store, key, stored);
    if (!isAlone) return;
    this.#journal.end();
    this.#marks = marks;
  }

  /** Removes due records of the class; returns their number. */
  expireDue(store: ClassStore): number {
    if (this.nextExpiry > this.now) return 0;
    const due = [...dueBy(this.expiryTree, this.now)].filter(({ classId }) => classId === store.id);
    for (const { key } of due) readable(() => this.read(store, key));
    return due.length;
  }

  /** For subscriptions that want each record removed by a deleteAll. */
  #recordVictims(store: ClassStore): void {
    for (const { value } of store.records.getRange({ ...FROM_FIRST }))
      this.record(store.victimChange(asBuffer(value)));
  }

  #isDue(expiresAt: number | undefined): boolean {
    return expiresAt !== undefined && expiresAt <= this.now;
  }

  /** Returns the record's bytes in the journal's form, if there is a record after it. */
  #store(
    store: ClassStore,
    key: Buffer,
    before: Stored | undefined,
    after: Draft | undefined,
    version: Version,
  ): Buffer | undefined {
    let payload: Buffer | undefined;
    if (after === undefined) {
      store.records.removeSync(key);
    } else {
      const { record, expiresAt, order } = after;
      const written = store.codec.encode(record, { version, expiresAt, order });
      store.records.putSync(key, written.bytes);
      payload = written.payload;
    }
    for (const index of store.indexes) {
      const old = before && store.indexKey(index, before.record, key);
      const fresh = after && store.indexKey(index, after.record, key);
      if (old !== undefined && fresh !== undefined && old.equals(fresh)) continue;
      if (old !== undefined && this.#holds(store, index, old, before, key)) index.tree.removeSync(old);
      if (fresh !== undefined) index.tree.putSync(fresh, key);
    }
    this.#moveExpiry(store.id, key, before?.expiresAt, after?.expiresAt);
    if (store.order !== undefined && before?.order !== after?.order) {
      if (before?.order !== undefined) store.order.removeSync(orderKey(before.order));
      if (after?.order !== undefined) store.order.putSync(orderKey(after.order), key);
    }
    return payload;
  }

  /** In a unique index, another record may have taken the value in the same transaction. */
  #holds(
    store: ClassStore,
    { index, tree }: IndexStore,
    indexKey: Buffer,
    before: Stored | undefined,
    key: Buffer,
  ): boolean {
    if (before === undefined || !store.isUnique(index, before.record)) return true;
    return peek(tree, indexKey)?.equals(key) ?? false;
  }

  #moveExpiry(classId: number, key: Buffer, from: number | undefined, to: number | undefined): void {
    if (from === to) return;
    const { expiry } = this.#environment.trees;
    if (from !== undefined) expiry.removeSync(expiryKey(from, classId, key));
    if (to === undefined) return;
    expiry.putSync(expiryKey(to, classId, key), PRESENT);
    this.nextExpiry = Math.min(this.nextExpiry, to);
    this.#environment.noteExpiry(to);
  }

  /** Removes the expiry entries of all records of the class, where records can expire. */
  #forgetExpiries(store: ClassStore): void {
    const { expiry } = this.#environment.trees;
    for (const { key, value } of store.records.getRange({ ...FROM_FIRST })) {
      const moment = expiryOf(asBuffer(value));
      if (moment < Number.POSITIVE_INFINITY) expiry.removeSync(expiryKey(moment, store.id, asBuffer(key)));
    }
  }

  #nextVersion(): Version {
    this.#state.writes += 1;
    const { writes } = this.#state;
    return { high: Math.floor(writes / 2 ** 32), low: writes % 2 ** 32 };
  }
}

/** Damaged records are skipped: others must not wait for them. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

function autoidKey(classId: number): Buffer {
  return Buffer.from(`autoid:${classId}`);
}

const atMost = (most: bigint, value: bigint): bigint => (value < most ? value : most);

function putCounter(meta: Tree, classId: number, next: bigint): void {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(atMost(LARGEST_AUTOID, next));
  meta.putSync(autoidKey(classId), bytes);
}

export function orderKey(order: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeDoubleBE(order);
  return key;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
