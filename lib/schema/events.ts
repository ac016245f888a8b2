import { invalidArgument, shown } from '../arguments';
import { type Field, type FieldMap, fieldNamed, withoutOptional } from './field';
import { Made } from './made';
import { checkEventName } from './names';

export const WHOLE_KINDS = ['new', 'update', 'delete', 'deleteAll', 'checkpoint', 'expire'] as const;

/** The kinds that concern a whole record or class. */
export type WholeEventKind = (typeof WHOLE_KINDS)[number];
export type EventKind = WholeEventKind | 'fieldUpdate';

export interface WholeEvent<K extends WholeEventKind = WholeEventKind, Name = string> {
  readonly kind: K;
  readonly name: Name;
}

export interface FieldUpdateEvent<F extends string = string, Name = string> {
  readonly kind: 'fieldUpdate';
  readonly field: F;
  readonly name: Name;
}

/** An event of a class, with the name for waits. */
export type EventDefinition = WholeEvent | FieldUpdateEvent;
/** An event that is not part of a class yet. The class gives it a name if it has none. */
export type EventDeclaration<F extends string = string> =
  | WholeEvent<WholeEventKind, string | undefined>
  | FieldUpdateEvent<F, string | undefined>;

/** The declared events with their names: an explicit name, else `Class.kind` or `Class.field`. */
export type NamedEvents<Class extends string, Events extends readonly EventDeclaration[]> = {
  readonly [I in keyof Events]: NamedEvent<Class, Events[I]>;
};

type NamedEvent<Class extends string, E> =
  E extends FieldUpdateEvent<infer F, infer Name>
    ? FieldUpdateEvent<F, NameOr<Name, `${Class}.${F}`>>
    : E extends WholeEvent<infer K, infer Name>
      ? WholeEvent<K, NameOr<Name, `${Class}.${K}`>>
      : never;
type NameOr<Name, Default extends string> = Name extends string ? Name : Default;

/** Declares an event; without a name, the class gives it one. */
export interface Declarator<K extends WholeEventKind> {
  (): WholeEvent<K, undefined>;
  <Name extends string>(name: Name): WholeEvent<K, Name>;
}

const declarations = new Made<EventDeclaration>();

export function declareWhole<K extends WholeEventKind, Name extends string | undefined>(
  kind: K,
  name: Name,
): WholeEvent<K, Name> {
  return declarations.make({ kind, name });
}

export function isWholeKind(kind: unknown): kind is WholeEventKind {
  return (WHOLE_KINDS as readonly unknown[]).includes(kind);
}

function declarator<K extends WholeEventKind>(kind: K): Declarator<K> {
  return (name?: string) => declareWhole(kind, name) as WholeEvent<K, never>;
}

/** A record was inserted. Default name: `Class.new`. */
export const onNew = declarator('new');
/** At least one field of a record changed. Default name: `Class.update`. */
export const onUpdate = declarator('update');
/**
 * A record was removed. Includes removal by Time-To-Live, unless an expire event reports it. Default name:
 * `Class.delete`.
 */
export const onDelete = declarator('delete');
/** All records were removed at once; one event, however many there were. Default name: `Class.deleteAll`. */
export const onDeleteAll = declarator('deleteAll');
/** A transaction explicitly checkpointed its changes of a record. Default name: `Class.checkpoint`. */
export const onCheckpoint = declarator('checkpoint');
/** Time-To-Live removed a record. Default name: `Class.expire`. */
export const onExpire = declarator('expire');

/** One field of a record changed; not available for vectors. Default name: `Class.field`. */
export function onFieldUpdate<F extends string>(field: F): FieldUpdateEvent<F, undefined>;
export function onFieldUpdate<F extends string, Name extends string>(
  field: F,
  name: Name,
): FieldUpdateEvent<F, Name>;
export function onFieldUpdate(field: string, name?: string): FieldUpdateEvent<string, string | undefined> {
  return declarations.make({ kind: 'fieldUpdate', field, name });
}

/** The events of a class; throws InvalidArgumentError (`events`, `events[i]`) for events that it cannot have. */
export function nameEvents(
  className: string,
  given: readonly EventDeclaration[],
  fields: FieldMap,
): readonly EventDefinition[] {
  if (!Array.isArray(given)) throw invalidArgument('events', `events is an array, not ${shown(given)}`);
  const taken = new Set<string>();
  const claim = (argument: string, what: string): void => {
    if (taken.has(what)) throw invalidArgument(argument, `${argument}: ${what} is declared twice`);
    taken.add(what);
  };
  return Object.freeze(
    given.map((each: EventDeclaration, position) => {
      const argument = `events[${position}]`;
      if (!declarations.has(each)) {
        throw invalidArgument(argument, `${argument} is made by onNew() and its like, not ${shown(each)}`);
      }
      if (each.kind === 'fieldUpdate') checkUpdatedField(each.field, fields, argument);
      claim(argument, each.kind === 'fieldUpdate' ? `the update of ${each.field}` : `the kind ${each.kind}`);
      const name = checkEventName(
        each.name === undefined ? defaultEventName(className, each) : each.name,
        argument,
      );
      claim(argument, `the name ${name}`);
      return Object.freeze({ ...each, name });
    }),
  );
}

export function defaultEventName(className: string, event: EventDeclaration): string {
  return `${className}.${event.kind === 'fieldUpdate' ? event.field : event.kind}`;
}

/** Whether a field of this type can have its own update event. */
export function hasUpdateEvent(type: Field): boolean {
  return withoutOptional(type).kind !== 'vector';
}

function checkUpdatedField(name: string, fields: FieldMap, argument: string): void {
  const type = fieldNamed(name, fields);
  if (type === undefined) throw invalidArgument(argument, `${argument}: there is no field ${shown(name)}`);
  if (!hasUpdateEvent(type))
    throw invalidArgument(argument, `${argument}: ${name} is a vector, which has no update event of its own`);
}
