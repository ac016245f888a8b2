import { isDeepStrictEqual } from 'node:util';
import { damaged, shownBytes } from '../../damage';
import { ValidationError } from '../../errors';
import { ChangeFlag, ChangeKind } from '../../events/change-kind';
import type { HookList } from '../../events/hooks';
import { toldKinds } from '../../events/kinds';
import type { ClassDefinition } from '../../schema/class';
import type { Field } from '../../schema/field';
import { withoutOptional } from '../../schema/field';
import type { Index } from '../../schema/indexes';
import { validateValue } from '../../schema/validate';
import type { Change } from './change';
import { KeyCodec, type KeyPart } from './key-codec';
import { peekRaw, type Snapshot, type Tree } from './lmdb';
import { payloadOf, RecordCodec, type Stored } from './record-codec';
import { type AnyRecord, isShapeOf, type Shape } from './shapes';

/** Other trees append more key parts to a primary key; LMDB allows 1978 bytes in total. */
export const LARGEST_PRIMARY_KEY = 900;
const LARGEST_INDEX_KEY = 1000;
const MUTABLE: ReadonlySet<string> = new Set(['datetime', 'bytes', 'vector', 'struct']);

/** A record to store; the scope that writes it assigns the version. */
export interface Draft {
  readonly record: AnyRecord;
  readonly expiresAt: number | undefined;
  readonly order: number | undefined;
}

export interface IndexStore {
  readonly name: string;
  readonly index: Index;
  readonly codec: KeyCodec;
  readonly tree: Tree;
}

export interface ClassTrees {
  readonly records: Tree;
  readonly indexes: ReadonlyMap<string, Tree>;
  /** Records by insertion order; only for classes that limit the number of records. */
  readonly order: Tree | undefined;
}

/** A stored class: its trees, and the encoding of its records and keys. */
export class ClassStore {
  readonly name: string;
  readonly codec: RecordCodec;
  readonly key: KeyCodec;
  readonly keyNames: readonly string[];
  readonly indexes: readonly IndexStore[];
  readonly records: Tree;
  readonly order: Tree | undefined;
  readonly autoid: string | undefined;
  /** Which kinds of changes are journalled. */
  #told: ToldKinds;
  /** Fields with mutable values. */
  readonly #mutable: readonly (readonly [string, Field])[];
  readonly hooks: HookList;

  /**
   * `fieldNames` are in the order in which the class got them; fields added later come last, wherever the class
   * declares them.
   */
  constructor(
    readonly id: number,
    readonly definition: ClassDefinition,
    readonly fieldNames: readonly string[],
    hooks: HookList,
    shapes: readonly Shape[],
    reload: () => readonly Shape[],
    trees: ClassTrees,
  ) {
    const { name, fields, key, indexes } = definition;
    this.name = name;
    this.hooks = hooks;
    this.codec = new RecordCodec(shapes, reload, (shape, isLater) => isShapeOf(fields, shape, isLater));
    this.keyNames = typeof key === 'string' ? [key] : key;
    this.key = new KeyCodec(name, parts(definition, this.keyNames));
    this.autoid = fieldNames.find((each) => fields[each]?.kind === 'autoid');
    this.records = trees.records;
    this.order = trees.order;
    this.indexes = Object.entries(indexes).map(([indexName, index]) => ({
      name: indexName,
      index,
      codec: new KeyCodec(
        name,
        index.fields.map(({ field, order }) => part(definition, field, order === 'desc')),
      ),
      tree: trees.indexes.get(indexName) as Tree,
    }));
    this.#mutable = Object.entries(fields).filter(([, type]) => MUTABLE.has(withoutOptional(type).kind));
    this.#told = new ToldKinds(toldKinds(definition, false), fieldNames);
  }

  /** Journals all kinds from now on. */
  tellAll(): void {
    this.#told = new ToldKinds(toldKinds(this.definition, true), this.fieldNames);
  }

  /** Whether any events of the class can be subscribed to. */
  get isTold(): boolean {
    return this.#told.any;
  }

  index(name: string): IndexStore | undefined {
    return this.indexes.find((each) => each.name === name);
  }

  /** The encoded primary key of a record. */
  keyOf(record: AnyRecord): Buffer {
    return this.#checkedKey(this.key.encodeFrom(record));
  }

  /** The encoded primary key with these field values. */
  keyOfValues(values: readonly unknown[]): Buffer {
    return this.#checkedKey(this.key.encode(values));
  }

  #checkedKey(key: Buffer): Buffer {
    if (key.length > LARGEST_PRIMARY_KEY) {
      throw new ValidationError(
        `${this.name}: the key has ${key.length} bytes, ${LARGEST_PRIMARY_KEY} are the most`,
        { context: { path: this.keyNames.join(), class: this.name } },
      );
    }
    return key;
  }

  /** The key in the form that users see. */
  userKeyOf(record: AnyRecord): unknown {
    const { key } = this.definition;
    return typeof key === 'string' ? record[key] : key.map((name) => record[name]);
  }

  read(key: Uint8Array, snapshot?: Snapshot): Stored | undefined {
    const bytes = peekRaw(this.records, key, snapshot);
    return bytes && this.decode(bytes, bytes.length, key);
  }

  /** Decodes the record in the first `length` bytes. Throws StorageError when they are not a record. */
  decode(bytes: Buffer, length: number, key: Uint8Array): Stored {
    const stored = this.codec.decode(bytes, length);
    if (stored !== undefined) return stored;
    const shown = shownBytes(key);
    throw damaged(`${this.name}: the record under the key ${shown}`, { class: this.name, key: shown });
  }

  /**
   * The key of a record in an index. A unique index uses only the values. Otherwise, and when a field is absent, the
   * primary key is appended to make it unique.
   */
  indexKey({ index, codec, name }: IndexStore, record: AnyRecord, primary: Buffer): Buffer {
    const values = codec.encodeFrom(record);
    if (values.length > LARGEST_INDEX_KEY) {
      throw new ValidationError(
        `${this.name}: the index ${name} allows ${LARGEST_INDEX_KEY} bytes, the record has ${values.length}`,
        { context: { path: index.fields.map(({ field }) => field).join(), class: this.name } },
      );
    }
    return this.isUnique(index, record) ? values : Buffer.concat([values, primary]);
  }

  isUnique(index: Index, record: AnyRecord): boolean {
    return index.unique && index.fields.every(({ field }) => record[field] !== undefined);
  }

  /** A copy that shares no mutable value with the record. */
  copyOf(record: AnyRecord): AnyRecord {
    const copy = { ...record };
    for (const [name, type] of this.#mutable) {
      const value = record[name];
      copy[name] =
        value instanceof Date ? new Date(value.getTime()) : validateValue(this.name, name, type, value);
    }
    return copy;
  }

  /** One bit for each field, set if the values differ; undefined if none differ. */
  changedFields(before: AnyRecord, after: AnyRecord): Buffer | undefined {
    let bits: Buffer | undefined;
    for (let i = 0; i < this.fieldNames.length; i += 1) {
      const name = this.fieldNames[i] as string;
      if (isSame(before[name], after[name])) continue;
      bits ??= Buffer.alloc((this.fieldNames.length + 7) >> 3);
      bits[i >> 3] = (bits[i >> 3] as number) | (1 << (i & 7));
    }
    return bits;
  }

  /**
   * The change to journal when a record changes from `before` to `after`; undefined when nobody can subscribe to it.
   * `views` are the views that show it; a write without effect is not a change in the net view.
   */
  changeOf(
    before: { readonly record: AnyRecord; readonly payload: () => Buffer } | undefined,
    after: { readonly record: AnyRecord; readonly payload: () => Buffer } | undefined,
    views: number,
  ): Change | undefined {
    const told = this.#told;
    if (before === undefined) {
      if (after === undefined || !told.new) return undefined;
      return this.#change(ChangeKind.new, views, undefined, after.payload(), undefined, 0);
    }
    if (after === undefined) {
      if (!told.delete) return undefined;
      return this.#change(ChangeKind.delete, views, before.payload(), undefined, undefined, 0);
    }
    if (!told.update && told.updatedFields === undefined) return undefined;
    const changed = this.changedFields(before.record, after.record);
    const seen = changed === undefined ? views & ~ChangeFlag.net : views;
    if (seen === 0) return undefined;
    if (!told.update && (changed === undefined || !intersects(changed, told.updatedFields))) return undefined;
    return this.#change(ChangeKind.update, seen, before.payload(), after.payload(), changed, 0);
  }

  /** For a record removed by Time-To-Live; `dueAt` is in ms since 1970. */
  expireChange(
    before: Buffer,
    { dueAt, byCount }: { readonly dueAt: number; readonly byCount: boolean },
    views: number,
  ): Change | undefined {
    if (!this.#told.expire && !this.#told.delete) return undefined;
    const flags = views | (byCount ? ChangeFlag.ttlCount : 0);
    return this.#change(ChangeKind.expire, flags, before, undefined, undefined, dueAt);
  }

  deleteAllChange(count: number, views: number): Change | undefined {
    if (!this.#told.deleteAll || count === 0) return undefined;
    return this.#change(ChangeKind.deleteAll, views, undefined, undefined, undefined, count);
  }

  /** One of the records that a deleteAll removes, in stored form. */
  victimChange(stored: Buffer): Change {
    return this.#change(ChangeKind.delete, ChangeFlag.expanded, payloadOf(stored), undefined, undefined, 0);
  }

  checkpointChange(after: Buffer, times: number, views: number): Change | undefined {
    if (!this.#told.checkpoint) return undefined;
    return this.#change(ChangeKind.checkpoint, views, undefined, after, undefined, times);
  }

  #change(
    kind: ChangeKind,
    flags: number,
    before: Buffer | undefined,
    after: Buffer | undefined,
    changed: Buffer | undefined,
    extra: number,
  ): Change {
    return { kind, flags, classId: this.id, before, after, changed, extra };
  }
}

/** Which events can be subscribed to. */
class ToldKinds {
  readonly any: boolean;
  readonly new: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly deleteAll: boolean;
  readonly checkpoint: boolean;
  readonly expire: boolean;
  /** One bit for each field with its own update event; undefined when there is none. */
  readonly updatedFields: Buffer | undefined;

  constructor(kinds: ReadonlySet<string>, fieldNames: readonly string[]) {
    this.any = kinds.size > 0;
    this.new = kinds.has('new');
    this.update = kinds.has('update');
    this.delete = kinds.has('delete');
    this.deleteAll = kinds.has('deleteAll');
    this.checkpoint = kinds.has('checkpoint');
    this.expire = kinds.has('expire');
    let bits: Buffer | undefined;
    for (const [i, name] of fieldNames.entries()) {
      if (!kinds.has(`fieldUpdate:${name}`)) continue;
      bits ??= Buffer.alloc((fieldNames.length + 7) >> 3);
      bits[i >> 3] = (bits[i >> 3] as number) | (1 << (i & 7));
    }
    this.updatedFields = bits;
  }
}

export function hasBit(bits: Uint8Array, position: number): boolean {
  return ((bits[position >> 3] ?? 0) & (1 << (position & 7))) !== 0;
}

function intersects(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.some((byte, i) => (byte & (b[i] ?? 0)) !== 0);
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && isDeepStrictEqual(a, b));
}

function parts(definition: ClassDefinition, names: readonly string[]): KeyPart[] {
  return names.map((name) => part(definition, name, false));
}

function part({ fields }: ClassDefinition, name: string, descending: boolean): KeyPart {
  return { name, type: fields[name] as Field, descending };
}
