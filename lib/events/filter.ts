import { isDeepStrictEqual } from 'node:util';
import { checkOptions, invalidArgument, shown } from '../arguments';
import { EventNotDeclaredError } from '../errors';
import type { ClassDefinition } from '../schema/class';
import { validateValue } from '../schema/validate';
import { ChangeFlag, ChangeKind } from './change-kind';
import type { ChangeLog, ChangeView, Fragment, LoggedClass } from './change-log';
import { type Kinds, kindsOf, toldKinds } from './kinds';
import type { TransactionInfo, Transition } from './types';

type AnyRecord = Readonly<Record<string, unknown>>;

/** Which changes a subscription wants. */
export interface FilterOptions {
  /** Updates: only those that change at least one of these fields. */
  readonly fields?: readonly string[] | undefined;
  /** Only records whose fields have these values, before or after the change. */
  readonly where?: AnyRecord | undefined;
  /** Skips transactions of this origin. */
  readonly ignoreOrigin?: string | undefined;
  /** 'net' (default): one event for each record and transaction. 'each': one for every operation. */
  readonly granularity?: 'net' | 'each' | undefined;
  /** Also the records that a deleteAll removed, as delete events after the deleteAll event. */
  readonly expandDeleteAll?: boolean | undefined;
}

/** The position after a change or, for an update that yields several events, after a part of it. */
export type PositionOf = (index: number, part?: number) => string;

/** An event under construction; its exact type is not known here. */
export interface Draft {
  readonly kind: string;
  readonly class: string;
  readonly field?: string;
  readonly key?: unknown;
  readonly position: string;
  /** Set when the whole transaction is known. */
  transaction: TransactionInfo | undefined;
  readonly coalesced?: number;
}

interface ClassFilter {
  readonly logged: LoggedClass;
  readonly kinds: Kinds;
  /** Field numbers; at least one of them must have changed. */
  readonly fields: readonly number[] | undefined;
  readonly where: AnyRecord | undefined;
}

/** Decides which changes a subscription sees, and as which events. */
export class Filter {
  readonly #classes = new Map<number, ClassFilter>();
  readonly #view: number;
  readonly #ignoredOrigin: string | undefined;
  readonly #isExpanding: boolean;

  /**
   * Without kinds: all that the classes declare. Throws InvalidArgumentError for invalid options, EventNotDeclaredError
   * for a kind that a class does not declare.
   */
  constructor(
    log: ChangeLog,
    definitions: readonly ClassDefinition[],
    kinds: readonly string[] | undefined,
    options: FilterOptions,
  ) {
    const { fields, where, ignoreOrigin, granularity = 'net', expandDeleteAll = false } = options;
    if (granularity !== 'net' && granularity !== 'each')
      throw invalidArgument('granularity', `granularity is 'net' or 'each', not ${shown(granularity)}`);
    if (typeof expandDeleteAll !== 'boolean')
      throw invalidArgument(
        'expandDeleteAll',
        `expandDeleteAll is true or false, not ${shown(expandDeleteAll)}`,
      );
    if (ignoreOrigin !== undefined && typeof ignoreOrigin !== 'string')
      throw invalidArgument('ignoreOrigin', `ignoreOrigin is a string, not ${shown(ignoreOrigin)}`);
    // An explicit undefined is probably a missing value; it must not select everything.
    for (const name of ['where', 'fields'] as const)
      if (name in options && options[name] === undefined)
        throw invalidArgument(
          name,
          `${name} is undefined, which selects nothing: leave it out to get everything`,
        );
    this.#view = granularity === 'net' ? ChangeFlag.net : ChangeFlag.each;
    this.#ignoredOrigin = ignoreOrigin;
    this.#isExpanding = expandDeleteAll;
    for (const definition of definitions) {
      const logged = log.classOf(definition);
      this.#classes.set(logged.id, {
        logged,
        kinds: kindsOf(definition, log.isImplicit, kinds),
        fields: fields === undefined ? undefined : numbersOf(logged, fields),
        where: where === undefined ? undefined : conditionOf(definition, where),
      });
    }
    if (this.#classes.size === 0) throw invalidArgument('classes', 'classes names no class');
    if (kinds !== undefined) checkDeclared(definitions, log.isImplicit, kinds);
  }

  /** Appends the events of a fragment to `events`, in order. */
  eventsOf(fragment: Fragment, positionOf: PositionOf, events: Draft[] = []): Draft[] {
    if (this.#ignoredOrigin !== undefined && fragment.origin === this.#ignoredOrigin) return events;
    const change = fragment.changes();
    for (let index = fragment.first; change.next(); index += 1) {
      const filter = this.#classes.get(change.classId);
      if (filter !== undefined && this.#isSeen(change)) emit(events, filter, change, index, positionOf);
    }
    return events;
  }

  /** The number of events that eventsOf() would return. */
  countIn(fragment: Fragment): number {
    if (this.#ignoredOrigin !== undefined && fragment.origin === this.#ignoredOrigin) return 0;
    let count = 0;
    const change = fragment.changes();
    while (change.next()) {
      const filter = this.#classes.get(change.classId);
      if (filter !== undefined && this.#isSeen(change)) count += countOf(filter, change);
    }
    return count;
  }

  /** Whether the filter selects this record. */
  isFor({ id }: LoggedClass, record: AnyRecord): boolean {
    const filter = this.#classes.get(id);
    return filter !== undefined && (filter.where === undefined || matches(filter.where, record));
  }

  get isExpanding(): boolean {
    return this.#isExpanding;
  }

  #isSeen({ flags }: ChangeView): boolean {
    if ((flags & ChangeFlag.expanded) !== 0) return this.#isExpanding;
    return (flags & this.#view) !== 0;
  }
}

/** The number of events that emit() makes of the change; decodes records only when their values matter. */
function countOf(filter: ClassFilter, change: ChangeView): number {
  const { logged, kinds, fields, where } = filter;
  if (where !== undefined) {
    const events: Draft[] = [];
    emit(events, filter, change, 0, () => '');
    return events.length;
  }
  switch (change.kind) {
    case ChangeKind.deleteAll:
      return Number(kinds.deleteAll);
    case ChangeKind.schema:
      return Number(kinds.schema);
    case ChangeKind.update:
      if (fields !== undefined && !fields.some((field) => change.hasChanged(field))) return 0;
      return Number(kinds.update) + updatedFields(logged, kinds, change).length;
    default:
      return Number(concerns(kinds, change.kind));
  }
}

/** Changed fields with an event of their own. */
function updatedFields({ fieldNames }: LoggedClass, kinds: Kinds, change: ChangeView): readonly string[] {
  return kinds.fields.filter((field) => change.hasChanged(fieldNames.indexOf(field)));
}

function emit(
  events: Draft[],
  { logged, kinds, fields, where }: ClassFilter,
  change: ChangeView,
  index: number,
  positionOf: PositionOf,
): void {
  const { kind } = change;
  const { name } = logged.definition;
  if (kind === ChangeKind.deleteAll) {
    if (kinds.deleteAll) {
      const count = change.extra;
      events.push({
        kind: 'deleteAll',
        class: name,
        count,
        position: positionOf(index),
        transaction: undefined,
      } as Draft);
    }
    return;
  }
  if (kind === ChangeKind.schema) {
    if (kinds.schema) {
      const version = change.extra;
      events.push({
        kind: 'schema',
        class: name,
        version,
        position: positionOf(index),
        transaction: undefined,
      } as Draft);
    }
    return;
  }
  if (!concerns(kinds, kind)) return;
  if (kind === ChangeKind.update && fields !== undefined && !fields.some((field) => change.hasChanged(field)))
    return;
  const before = kind === ChangeKind.new || kind === ChangeKind.checkpoint ? undefined : change.before();
  const after = kind === ChangeKind.delete || kind === ChangeKind.expire ? undefined : change.after();
  if (where !== undefined && !isWanted(where, before, after)) return;
  // A checkpoint event has no state from before.
  const transition =
    where === undefined || kind === ChangeKind.checkpoint ? undefined : transitionOf(where, before, after);
  const key = logged.userKeyOf((after ?? before) as AnyRecord);
  const position = positionOf(index);
  if (kind === ChangeKind.new && transition === undefined) {
    // The most frequent case by far, so it avoids spreading a second object.
    const event = {
      kind: 'new',
      before: undefined,
      after,
      class: name,
      key,
      position,
      transaction: undefined,
    };
    events.push(event);
    return;
  }
  const common = {
    class: name,
    key,
    position,
    transaction: undefined,
    ...(transition !== undefined && { transition }),
  };
  switch (kind) {
    case ChangeKind.new:
      events.push({ kind: 'new', before: undefined, after, ...common } as Draft);
      return;
    case ChangeKind.delete:
      events.push({ kind: 'delete', before, after: undefined, cause: 'explicit', ...common } as Draft);
      return;
    case ChangeKind.checkpoint:
      events.push({ kind: 'checkpoint', after, times: change.extra, ...common } as Draft);
      return;
    case ChangeKind.expire: {
      const cause = change.flags & ChangeFlag.ttlCount ? 'ttl-count' : 'ttl-age';
      const removal = kinds.expire
        ? { kind: 'expire', before, after: undefined, cause, deadline: new Date(change.extra) }
        : { kind: 'delete', before, after: undefined, cause };
      events.push({ ...removal, ...common } as Draft);
      return;
    }
    default:
      emitUpdate(events, logged, kinds, change, before as AnyRecord, after as AnyRecord, common, (part) =>
        positionOf(index, part),
      );
  }
}

function emitUpdate(
  events: Draft[],
  logged: LoggedClass,
  kinds: Kinds,
  change: ChangeView,
  before: AnyRecord,
  after: AnyRecord,
  common: { readonly position: string },
  positionOf: (part?: number) => string,
): void {
  const { fieldNames, definition } = logged;
  const updated = updatedFields(logged, kinds, change);
  if (kinds.update) {
    const changed = Object.keys(definition.fields).filter((name) =>
      change.hasChanged(fieldNames.indexOf(name)),
    );
    const same = change.flags & ChangeFlag.sameTransaction ? { sameTransaction: true } : undefined;
    const event = { kind: 'update', before, after, changed, ...same, ...common };
    events.push((updated.length === 0 ? event : { ...event, position: positionOf(0) }) as unknown as Draft);
  }
  for (const [i, field] of updated.entries()) {
    const values = { before: before[field], after: after[field] };
    const event = { kind: 'fieldUpdate', field, ...values, ...common };
    const position = i === updated.length - 1 ? common.position : positionOf(1 + fieldNames.indexOf(field));
    events.push({ ...event, position } as unknown as Draft);
  }
}

function concerns(kinds: Kinds, kind: number): boolean {
  switch (kind) {
    case ChangeKind.new:
      return kinds.new;
    case ChangeKind.update:
      return kinds.update || kinds.fields.length > 0;
    case ChangeKind.delete:
      return kinds.delete;
    case ChangeKind.expire:
      return kinds.expire || kinds.delete;
    case ChangeKind.checkpoint:
      return kinds.checkpoint;
    default:
      return false;
  }
}

/** For a record that matched before or matches after. */
function transitionOf(
  where: AnyRecord,
  before: AnyRecord | undefined,
  after: AnyRecord | undefined,
): Transition {
  if (before === undefined || !matches(where, before)) return 'enter';
  return after !== undefined && matches(where, after) ? 'stay' : 'leave';
}

function isWanted(where: AnyRecord, before: AnyRecord | undefined, after: AnyRecord | undefined): boolean {
  return (before !== undefined && matches(where, before)) || (after !== undefined && matches(where, after));
}

function matches(where: AnyRecord, record: AnyRecord): boolean {
  for (const name in where) {
    const wanted = where[name];
    const value = record[name];
    if (wanted !== value && !(typeof wanted === 'object' && isDeepStrictEqual(wanted, value))) return false;
  }
  return true;
}

function numbersOf({ definition, fieldNames }: LoggedClass, fields: readonly string[]): number[] {
  if (!Array.isArray(fields) || fields.length === 0)
    throw invalidArgument('fields', `fields is an array of names, not ${shown(fields)}`);
  return fields.map((name) => {
    const number = fieldNames.indexOf(name);
    if (number < 0) throw invalidArgument('fields', `fields: ${definition.name} has no field ${shown(name)}`);
    return number;
  });
}

function conditionOf({ name, fields }: ClassDefinition, where: AnyRecord): AnyRecord {
  const given = checkOptions(where, new Set(Object.keys(fields)), 'where');
  return Object.fromEntries(
    Object.entries(given).map(([field, value]) => {
      const type = fields[field];
      return [field, type && validateValue(name, field, type, value)];
    }),
  );
}

/** Throws unless each kind can be delivered for at least one of the classes. */
function checkDeclared(
  definitions: readonly ClassDefinition[],
  isImplicit: boolean,
  kinds: readonly string[],
): void {
  const told = definitions.map((each) => toldKinds(each, isImplicit));
  for (const kind of kinds) {
    if (kind === 'schema' || told.some((each) => each.has(kind))) continue;
    const names = definitions.map(({ name }) => name).join(', ');
    throw new EventNotDeclaredError(`${names}: there is no event ${shown(kind)} declared`, {
      context: { class: names },
    });
  }
}
