import type { ClassDefinition, UpdateField } from '../schema/class';
import type { WholeEventKind } from '../schema/events';
import type { KeyOf, RecordOf, UpdatedFields, ValueOf } from '../schema/record';

/** The transaction that an event is of, in the view of the subscription: what it does not see is not counted. */
export interface TransactionInfo {
  /** Grows by one with each transaction that has events: one order for the database, the same for everybody. */
  readonly seq: bigint;
  /** When it was committed. */
  readonly time: Date;
  /** What the writer said of itself; 'ttl' where nobody but Time-To-Live wrote. */
  readonly origin: string | undefined;
  readonly meta: unknown;
  /** The event's place among the `count` that the subscription sees of the transaction. */
  readonly index: number;
  readonly count: number;
  readonly last: boolean;
}

/** What all events have. */
interface EventBase<C extends ClassDefinition> {
  readonly class: C['name'];
  /** Where it stands in the history of the database; another subscription can begin after it. */
  readonly position: string;
  readonly transaction: TransactionInfo;
}

/** Of a subscription with `where`: whether the record came to match, ceased to, or did before and after. */
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
  /** The fields that are not as they were, in the order of the class. */
  readonly changed: readonly (keyof RecordOf<C> & string)[];
  /** In granularity 'each': the record was new in the same transaction. */
  readonly sameTransaction?: true;
}

export interface FieldChangeEvent<C extends ClassDefinition, F extends string = string>
  extends RecordEvent<C> {
  readonly kind: 'fieldUpdate';
  readonly field: F;
  /** Of the field alone. */
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
  /** When it was due; the event is of its removal. */
  readonly deadline: Date;
}

export interface DeleteAllEvent<C extends ClassDefinition> extends EventBase<C> {
  readonly kind: 'deleteAll';
  readonly count: number;
}

export interface CheckpointEvent<C extends ClassDefinition> extends RecordEvent<C> {
  readonly kind: 'checkpoint';
  readonly after: RecordOf<C>;
  /** How often changes of the record were checked in. */
  readonly times: number;
}

/** The class was given fields, indexes or events; what follows is of its new form. Told only to who asks for the kind. */
export interface SchemaEvent<C extends ClassDefinition> extends EventBase<C> {
  readonly kind: 'schema';
  /** Grows with each change of the schema of the database. */
  readonly version: number;
}

/** Events that were dropped, in the place where they would have been. */
export interface GapEvent {
  readonly kind: 'gap';
  /** After the first and up to the second; what is kept of it can be had by another subscription from `from`. */
  readonly from: string;
  readonly to: string;
  /** How many the subscription would have got; undefined where they are not kept any more. */
  readonly dropped: number | undefined;
}

/** Of a database: 'implicit' where all events of all classes are told, whatever they declare. */
export type EventMode = 'implicit' | undefined;

/**
 * The kinds that are told of a class: 'new', 'update', … and `fieldUpdate:field` for each field that has its own. Those
 * that it declares; where events are implicit, all.
 */
export type KindOf<C extends ClassDefinition, Mode extends EventMode = undefined> = C extends ClassDefinition
  ? [Mode] extends ['implicit']
    ? WholeEventKind | `fieldUpdate:${UpdateField<C['fields']>}`
    : DeclaredKind<C>
  : never;

type DeclaredKind<C extends ClassDefinition> =
  | Exclude<C['events'][number]['kind'], 'fieldUpdate'>
  | (UpdatedFields<C> extends infer F extends string ? `fieldUpdate:${F}` : never);

/** What is told where no kinds are asked for: what the class declares or, where that is nothing, all of whole records. */
export type StandardKind<
  C extends ClassDefinition,
  Mode extends EventMode = undefined,
> = C extends ClassDefinition
  ? [Mode, C['events']] extends ['implicit', readonly []]
    ? WholeEventKind
    : DeclaredKind<C>
  : never;

/** What a subscription can ask for: what is told of the class, and changes of the class itself. */
export type WantedKind<C extends ClassDefinition, Mode extends EventMode = undefined> =
  | KindOf<C, Mode>
  | 'schema';

/** The events of kinds of a class, discriminated by `kind` (and `class`, and `field`). */
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

/** The event that a name of an event stands for; where the classes are known at run time only, any. */
export type EventNamed<
  C extends ClassDefinition,
  Name extends string,
> = string extends C['events'][number]['name']
  ? Exclude<AnyEvent, GapEvent>
  : DefinitionNamed<C, Name> extends infer D extends ClassDefinition
    ? EventOf<D, KindNamed<D, Name>>
    : never;

/** Any event of any class: what there is where types are not known. */
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
