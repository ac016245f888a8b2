import type { ClassStore, IndexStore } from './class-store';
import type { Environment } from './environment';
import { dueBy } from './expiry';
import { FROM_FIRST, inSnapshot, peek, type Snapshot } from './lmdb';
import type { Base } from './overlay';
import { readPlain } from './plain-store';
import type { Stored } from './record-codec';
import { readState } from './state';

/** Thrown before anything is written. Other transactions may have used all reserved numbers. */
export const OUT_OF_NUMBERS = new Error('no number of an autoid is left of those reserved');

/** A snapshot of the committed state. */
export class SnapshotBase implements Base {
  readonly #environment: Environment;
  readonly #snapshot: Snapshot;
  readonly writes: number;

  constructor(environment: Environment, snapshot: Snapshot) {
    this.#environment = environment;
    this.#snapshot = snapshot;
    this.writes = readState(environment.trees.meta, snapshot).writes;
  }

  read(store: ClassStore, key: Buffer): Stored | undefined {
    const stored = store.read(key, this.#snapshot);
    return this.#isGone(stored?.expiresAt) ? undefined : stored;
  }

  holder(_store: ClassStore, { tree }: IndexStore, indexKey: Buffer): Buffer | undefined {
    const key = peek(tree, indexKey, this.#snapshot);
    return key && Buffer.from(key);
  }

  readPlain(key: Buffer) {
    const record = readPlain(this.#environment.trees.plain, key, this.#snapshot);
    return this.#isGone(record?.expiresAt) ? undefined : record;
  }

  countOf({ id, records }: ClassStore): number {
    const { trees } = this.#environment;
    let count = records.getKeysCount({ ...FROM_FIRST, ...inSnapshot(records, this.#snapshot) });
    const now = this.#environment.now();
    if (readState(trees.meta, this.#snapshot).nextExpiry > now) return count;
    for (const { classId } of dueBy(trees.expiry, now, this.#snapshot)) count -= Number(classId === id);
    return count;
  }

  nextAutoid(store: ClassStore): bigint {
    const cached = this.#environment.autoids.get(store.id);
    if (cached === undefined || cached.next >= cached.end) throw OUT_OF_NUMBERS;
    cached.next += 1n;
    return cached.next - 1n;
  }

  /** Registered when the record is committed. */
  noteAutoid(): void {}

  #isGone(expiresAt: number | undefined): boolean {
    return expiresAt !== undefined && expiresAt <= this.#environment.now();
  }
}
