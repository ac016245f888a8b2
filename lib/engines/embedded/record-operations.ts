import { types } from 'node:util';
import { invalidArgument, shown } from '../../arguments';
import { CasMismatchError, KeyExistsError, KeyNotFoundError } from '../../errors';
import type { HookKind } from '../../events/hooks';
import type { Field } from '../../schema/field';
import { isRecord, validate, validateValue } from '../../schema/validate';
import type { ClassStore, Draft } from './class-store';
import type { Stored } from './record-codec';
import type { Scope } from './scope';
import type { AnyRecord } from './shapes';
import { isSameVersion, type Version } from './version';

/** The latest time that a Date can hold, in ms. */
const LAST_MOMENT = 8.64e15;

/** When a record expires; undefined: according to its class. */
export type Lifetime = { readonly ttl: number } | { readonly expiresAt: number } | undefined;

/** A validated record and its key. */
export interface Checked {
  readonly record: AnyRecord;
  readonly key: Buffer | undefined;
}

/** `key` is undefined while the key contains an autoid that is not yet assigned. */
export function insert(
  scope: Scope,
  store: ClassStore,
  record: AnyRecord,
  key: Buffer | undefined,
  lifetime: Lifetime,
): AnyRecord {
  const { autoid } = store;
  if (autoid === undefined) return insertAs(scope, store, record, key, lifetime);
  const given = record[autoid] as bigint | undefined;
  if (given !== undefined) {
    const inserted = insertAs(scope, store, record, key, lifetime);
    scope.noteAutoid(store, given);
    return inserted;
  }
  for (;;) {
    const numbered = { ...record, [autoid]: scope.nextAutoid(store) };
    // A record may have been inserted with this number explicitly.
    if (!isNumberTaken(scope, store, autoid, numbered))
      return insertAs(scope, store, numbered, undefined, lifetime);
  }
}

/** Whether another record has the number, where it must be unique. */
function isNumberTaken(scope: Scope, store: ClassStore, autoid: string, record: AnyRecord): boolean {
  if (store.keyNames.length === 1 && store.keyNames[0] === autoid)
    return scope.read(store, store.keyOf(record)) !== undefined;
  return store.indexes.some((each) => {
    const { unique, fields } = each.index;
    if (!unique || fields.length > 1 || fields[0]?.field !== autoid) return false;
    return scope.holder(store, each, store.indexKey(each, record, store.keyOf(record))) !== undefined;
  });
}

function insertAs(
  scope: Scope,
  store: ClassStore,
  record: AnyRecord,
  given: Buffer | undefined,
  lifetime: Lifetime,
): AnyRecord {
  const key = given ?? store.keyOf(record);
  if (scope.read(store, key) !== undefined) {
    throw new KeyExistsError(`insert: ${store.name} has a record of this key`, {
      context: { op: 'insert', class: store.name, key: shownKey(store, record) },
    });
  }
  create(scope, store, key, record, lifetime, 'insert');
  return record;
}

export function upsert(
  scope: Scope,
  store: ClassStore,
  record: AnyRecord,
  key: Buffer,
  lifetime: Lifetime,
  cas: Version | undefined,
): AnyRecord {
  const before = scope.read(store, key);
  checkCas(store, 'upsert', record, before, cas);
  if (before === undefined) {
    create(scope, store, key, record, lifetime, 'upsert');
    const given = store.autoid === undefined ? undefined : (record[store.autoid] as bigint | undefined);
    if (given !== undefined) scope.noteAutoid(store, given);
  } else {
    change(scope, store, key, before, record, lifetime, 'upsert');
  }
  return record;
}

export function update(
  scope: Scope,
  store: ClassStore,
  key: Buffer,
  changes: AnyRecord,
  lifetime: Lifetime,
  cas: Version | undefined,
): AnyRecord {
  const before = scope.read(store, key);
  if (before === undefined) {
    throw new KeyNotFoundError(`update: ${store.name} has no record of this key`, {
      context: { op: 'update', class: store.name },
    });
  }
  checkCas(store, 'update', before.record, before, cas);
  const record: AnyRecord = {};
  for (const name of Object.keys(store.definition.fields))
    record[name] = Object.hasOwn(changes, name) ? changes[name] : before.record[name];
  change(scope, store, key, before, record, lifetime, 'update');
  return record;
}

export function remove(scope: Scope, store: ClassStore, key: Buffer, cas: Version | undefined): boolean {
  const before = scope.read(store, key);
  if (before === undefined) return false;
  checkCas(store, 'remove', before.record, before, cas);
  callHooks(store, 'delete', before.record, undefined);
  scope.write(store, key, before, undefined);
  return true;
}

export function removeAll(scope: Scope, store: ClassStore): number {
  store.hooks.call('deleteAll', { class: store.name });
  return scope.clear(store);
}

/** Hooks get copies of the records, so that they cannot change them. */
function callHooks(
  store: ClassStore,
  kind: HookKind,
  before: AnyRecord | undefined,
  after: AnyRecord | undefined,
): void {
  if (!store.hooks.has(kind)) return;
  const copy = (record: AnyRecord | undefined): unknown => record && validate(store.definition, record);
  const key = store.userKeyOf((after ?? before) as AnyRecord);
  const change = { class: store.name, key, before: copy(before), after: copy(after) };
  store.hooks.call(kind, change);
}

function create(
  scope: Scope,
  store: ClassStore,
  key: Buffer,
  record: AnyRecord,
  lifetime: Lifetime,
  op: string,
): void {
  checkUnique(scope, store, key, undefined, record, op);
  callHooks(store, 'new', undefined, record);
  const { ttl } = store.definition;
  const draft: Draft = {
    record,
    expiresAt: expiryOf(lifetime, ttl?.age, scope.now),
    order: ttl?.count === undefined ? undefined : scope.nextOrder(),
  };
  scope.write(store, key, undefined, draft);
}

function change(
  scope: Scope,
  store: ClassStore,
  key: Buffer,
  before: Stored,
  record: AnyRecord,
  lifetime: Lifetime,
  op: string,
): void {
  checkUnique(scope, store, key, before, record, op);
  callHooks(store, 'update', before.record, record);
  const { ttl } = store.definition;
  const isRenewed = ttl?.renewOnUpdate === true;
  const isLeft = lifetime === undefined && !(isRenewed && ttl?.age !== undefined);
  const draft: Draft = {
    record,
    expiresAt: isLeft ? before.expiresAt : expiryOf(lifetime, ttl?.age, scope.now),
    order: isRenewed && before.order !== undefined ? scope.nextOrder() : before.order,
  };
  scope.write(store, key, before, draft);
}

/** Throws KeyExistsError when another record has a value of a unique index. */
function checkUnique(
  scope: Scope,
  store: ClassStore,
  key: Buffer,
  before: Stored | undefined,
  record: AnyRecord,
  op: string,
): void {
  for (const index of store.indexes) {
    const indexKey = store.indexKey(index, record, key); // also checks its length
    if (!store.isUnique(index.index, record)) continue;
    if (before !== undefined && store.indexKey(index, before.record, key).equals(indexKey)) continue;
    const holder = scope.holder(store, index, indexKey);
    if (holder === undefined || holder.equals(key)) continue;
    const other = scope.read(store, holder);
    // The holder had expired, and may have been inserted again with another value.
    if (other === undefined || !store.indexKey(index, other.record, holder).equals(indexKey)) continue;
    throw new KeyExistsError(`${op}: another ${store.name} has this value of ${index.name}`, {
      context: { op, class: store.name, index: index.name, key: shownKey(store, record) },
    });
  }
}

function checkCas(
  store: ClassStore,
  op: string,
  record: AnyRecord,
  before: Stored | undefined,
  cas: Version | undefined,
): void {
  if (cas === undefined) return;
  const context = { op, class: store.name, key: shownKey(store, record) };
  if (before === undefined)
    throw new KeyNotFoundError(`${op}: ${store.name} has no record of this key`, { context });
  if (!isSameVersion(before.version, cas))
    throw new CasMismatchError(`${op}: the record has changed since its cas was read`, { context });
}

function expiryOf(lifetime: Lifetime, age: number | undefined, now: number): number | undefined {
  if (lifetime === undefined) return age === undefined ? undefined : after(now, age);
  if ('expiresAt' in lifetime) return Math.max(1, lifetime.expiresAt);
  return lifetime.ttl === 0 ? undefined : after(now, lifetime.ttl);
}

function after(now: number, seconds: number): number {
  return Math.min(LAST_MOMENT, now + seconds * 1000);
}

export function checkLifetime(options: { readonly ttl?: number; readonly expiresAt?: Date }): Lifetime {
  const { ttl, expiresAt } = options;
  if (expiresAt === undefined) {
    if (ttl === undefined) return undefined;
    if (typeof ttl !== 'number' || !(ttl >= 0 && ttl < Number.POSITIVE_INFINITY))
      throw invalidArgument('ttl', `ttl is a number of seconds, 0 or more, not ${shown(ttl)}`);
    return { ttl };
  }
  if (ttl !== undefined) throw invalidArgument('ttl', 'ttl and expiresAt exclude each other');
  const moment = types.isDate(expiresAt) ? expiresAt.getTime() : Number.NaN;
  if (Number.isNaN(moment)) throw invalidArgument('expiresAt', 'expiresAt is a valid Date');
  return { expiresAt: moment };
}

/** Encodes a key given by the user. */
export function checkKey(store: ClassStore, given: unknown): Buffer {
  const { key, fields } = store.definition;
  if (typeof key === 'string') return store.keyOfValues([checkField(store, key, fields[key], given)]);
  if (!Array.isArray(given) || given.length !== key.length)
    throw invalidArgument('key', `key is an array of ${key.join(', ')}, not ${shown(given)}`);
  return store.keyOfValues(key.map((name, i) => checkField(store, name, fields[name], given[i])));
}

function checkField(store: ClassStore, name: string, type: Field | undefined, value: unknown): unknown {
  if (value === undefined) throw invalidArgument('key', `key: ${name} is missing`);
  return validateValue(store.name, name, type as Field, value);
}

export function checkRecord(store: ClassStore, given: unknown): AnyRecord {
  return validate(store.definition, given) as AnyRecord;
}

/** Validates the fields of an update. */
export function checkChanges(store: ClassStore, given: unknown): AnyRecord {
  if (!isRecord(given))
    throw invalidArgument('changes', `changes is an object of fields, not ${shown(given)}`);
  const { fields } = store.definition;
  const changes: AnyRecord = {};
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(fields, name))
      throw invalidArgument('changes', `changes: ${store.name} has no field ${shown(name)}`);
    if (store.keyNames.includes(name) || name === store.autoid)
      throw invalidArgument('changes', `changes: ${name} identifies the record and cannot be changed`);
    changes[name] = validateValue(store.name, name, fields[name] as Field, value);
  }
  return changes;
}

function shownKey(store: ClassStore, record: AnyRecord): string {
  return store.keyNames.map((name) => shown(record[name])).join(', ');
}
