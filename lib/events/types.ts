import type { ClassDefinition, UpdateField } from '../schema/class';
import type { WholeEventKind } from '../schema/events';
import type { KeyOf, RecordOf, UpdatedFields, ValueOf } from '../schema/record';

/** The transaction of an event, as the subscription sees it: filtered events are not counted. */
export interface TransactionInfo {
  /** Grows by one with each transaction that has events; the same order for every subscriber. */
  readonly seq: bigint;
  /** When it was committed. */
  readonly time: Date;
  /** The origin that the writer gave; 'ttl' for removals by Time-To-Live alone. */
  readonly origin: string | undefined;
  readonly meta: unknown;
  /** The index of the event among the `count` events that the subscription sees of the transaction. */
  readonly index: number;
  readonly count: number;
  readonly last: boolean;
}

/** Common to all events. */
interface EventBase<C extends ClassDefinition> {
  readonly class: C['name'];
  /** The event's place in the history of the database; another subscription can start after it. */
  readonly position: string;
  readonly transaction: TransactionInfo;
}

/** With `where`: whether the record started to match, stopped matching, or matched before and after. */
export type Transition = 'enter' | 'leave' | 'stay';

interface RecordEvent<C extends ClassDefinition> extends EventBase<C> {
  readonly key: KeyOf<C>;
  readonly transition?: Transition;
}

export interface NewEvent<C extends ClassDefinition> extends RecordEvent<C> {
  readonly kind: 'new';
  readonly before: undefined;
  readonly after: RecordOf<C>;
}

export interface UpdateEvent<C extends ClassDefinition> extends RecordEvent<C> {
  readonly kind: 'update';
  readonly before: RecordOf<C>;
  readonly after: RecordOf<C>;
  /** The changed fields, in class order. */
  readonly changed: readonly (keyof RecordOf<C> & string)[];
  /** With granularity 'each': the record was inserted in the same transaction. */
  readonly sameTransaction?: true;
}

export interface FieldChangeEvent<C extends ClassDefinition, F extends string = string>
  extends RecordEvent<C> {
  readonly kind: 'fieldUpdate';
  readonly field: F;
  /** The values of this field. */
  readonly before: F extends keyof C['fields'] ? ValueOf<C['fields'][F]> : never;
  readonly after: F extends keyof C['fields'] ? ValueOf<C['fields'][F]> : never;
}

export type Cause = 'explicit' | 'ttl-age' | 'ttl-count';

export interface DeleteEvent<C extends ClassDefinition> extends RecordEvent<C> {
  readonly kind: 'delete';
  readonly before: RecordOf<C>;
  readonly after: undefined;
  readonly cause: Cause;
}

export interface ExpireEvent<C extends ClassDefinition> extends RecordEvent<C> {
  readonly kind: 'expire';
  readonly before: RecordOf<C>;
  readonly after: undefined;
  readonly cause: 'ttl-age' | 'ttl-count';
  /** When the record was due to expire; the event reports its removal. */
  readonly deadline: Date;
}

export interface DeleteAllEvent<C extends ClassDefinition> extends EventBase<C> {
  readonly kind: 'deleteAll';
  readonly count: number;
}

export interface CheckpointEvent<C extends ClassDefinition> extends RecordEvent<C> {
  readonly kind: 'checkpoint';
  readonly after: RecordOf<C>;
  /** How often changes of the record were checkpointed. */
  readonly times: number;
}

/**
 * The class got new fields, indexes or events; later events have its new form. Delivered only when this kind is
 * requested.
 */
export interface SchemaEvent<C extends ClassDefinition> extends EventBase<C> {
  readonly kind: 'schema';
  /** Grows with each schema change of the database. */
  readonly version: number;
}

/** Replaces events that were dropped, at their place in the stream. */
export interface GapEvent {
  readonly kind: 'gap';
  /** The gap is after `from` and up to `to`. Another subscription from `from` can read those that are still kept. */
  readonly from: string;
  readonly to: string;
  /** The number of dropped events; undefined when they are no longer kept. */
  readonly dropped: number | undefined;
}

/** 'implicit': events of all kinds are delivered for all classes, whatever they declare. */
export type EventMode = 'implicit' | undefined;

/**
 * The event kinds of a class: 'new', 'update', … and `fieldUpdate:field` for each field with its own event. Those it
 * declares; with implicit events, all.
 */
export type KindOf<C extends ClassDefinition, Mode extends EventMode = undefined> = C extends ClassDefinition
  ? [Mode] extends ['implicit']
    ? WholeEventKind | `fieldUpdate:${UpdateField<C['fields']>}`
    : DeclaredKind<C>
  : never;

type DeclaredKind<C extends ClassDefinition> =
  | Exclude<C['events'][number]['kind'], 'fieldUpdate'>
  | (UpdatedFields<C> extends infer F extends string ? `fieldUpdate:${F}` : never);

/**
 * The default kinds: those that the class declares; with implicit events and no declarations, all kinds of whole
 * records.
 */
export type StandardKind<
  C extends ClassDefinition,
  Mode extends EventMode = undefined,
> = C extends ClassDefinition
  ? [Mode, C['events']] extends ['implicit', readonly []]
    ? WholeEventKind
    : DeclaredKind<C>
  : never;

/** The kinds that a subscription can request: those of the class, and changes of the class itself. */
export type WantedKind<C extends ClassDefinition, Mode extends EventMode = undefined> =
  | KindOf<C, Mode>
  | 'schema';

/** The events of these kinds of a class, discriminated by `kind` (and `class`, and `field`). */
export type EventOf<
  C extends ClassDefinition,
  K extends string = KindOf<C>,
  Mode extends EventMode = undefined,
> = C extends ClassDefinition ? EventOfKind<C, K & WantedKind<C, Mode>> : never;

type EventOfKind<C extends ClassDefinition, K extends string> = K extends 'new'
  ? NewEvent<C>
  : K extends 'update'
    ? UpdateEvent<C>
    : K extends `fieldUpdate:${infer F}`
      ? FieldChangeEvent<C, F>
      : K extends 'delete'
        ? DeleteEvent<C>
        : K extends 'expire'
          ? ExpireEvent<C>
          : K extends 'deleteAll'
            ? DeleteAllEvent<C>
            : K extends 'checkpoint'
              ? CheckpointEvent<C>
              : K extends 'schema'
                ? SchemaEvent<C>
                : never;

type DefinitionNamed<C extends ClassDefinition, Name> = C extends ClassDefinition
  ? Name extends C['events'][number]['name']
    ? C
    : never
  : never;
type KindNamed<C extends ClassDefinition, Name> =
  Extract<C['events'][number], { readonly name: Name }> extends infer E
    ? E extends { readonly kind: 'fieldUpdate'; readonly field: infer F extends string }
      ? `fieldUpdate:${F}`
      : E extends { readonly kind: infer K extends string }
        ? K
        : never
    : never;

/** The event type of an event name; any event when the classes are known only at run time. */
export type EventNamed<
  C extends ClassDefinition,
  Name extends string,
> = string extends C['events'][number]['name']
  ? Exclude<AnyEvent, GapEvent>
  : DefinitionNamed<C, Name> extends infer D extends ClassDefinition
    ? EventOf<D, KindNamed<D, Name>>
    : never;

/** Any event of any class, for code without static class types. */
export type AnyEvent =
  | NewEvent<ClassDefinition>
  | UpdateEvent<ClassDefinition>
  | FieldChangeEvent<ClassDefinition>
  | DeleteEvent<ClassDefinition>
  | ExpireEvent<ClassDefinition>
  | DeleteAllEvent<ClassDefinition>
  | CheckpointEvent<ClassDefinition>
  | SchemaEvent<ClassDefinition>
  | GapEvent;
