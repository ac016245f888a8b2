import { createHash, randomUUID } from 'node:crypto';
import { checkFlag, checkOptions, invalidArgument, optionNames, shown } from '../arguments';
import type { ClassDefinition } from '../schema/class';
import { type ChangeLog, NOWHERE, type Place } from './change-log';
import { DurableKeeper, type DurableMarks, placeOfStart } from './durable';
import { type DurableSetup, forget, forgetExpansion } from './durable-note';
import { DurableSubscription } from './durable-subscription';
import { Feed } from './feed';
import { Filter, type FilterOptions } from './filter';
import type { Hub } from './hub';
import {
  checkConcurrency,
  checkDurableName,
  checkHandler,
  checkPolicy,
  SNAPSHOT_NAMES,
  sorted,
} from './options';
import { formatPosition } from './position';
import { type Overflow, Puller, type Source } from './puller';
import { SnapshotSource } from './snapshot-source';
import { type ErrorPolicy, type Handler, Subscription } from './subscription';
import { type TransactionFeed, transactionsOf } from './transactions';
import type { EventMode, EventOf, GapEvent, KindOf, StandardKind, WantedKind } from './types';
import { EventWaits } from './waits';

/** Where a subscription starts: with new commits, with the oldest event kept, or after a position. */
export type Start = 'now' | 'beginning' | (string & {});

type OneOrMore<C> = C | readonly C[];

/** Which records' events to deliver. */
export interface WhereOptions<C extends ClassDefinition> {
  /** Updates: only those that change at least one of these fields. */
  readonly fields?: readonly (keyof C['fields'] & string)[] | undefined;
  /** Only records whose fields have these values, before or after the change; `transition` says which. */
  readonly where?: Partial<{ readonly [F in keyof C['fields']]: unknown }> | undefined;
  /** Skips transactions of this origin, such as the subscriber's own. */
  readonly ignoreOrigin?: string | undefined;
  /** 'net' (default): one event for each record and transaction. 'each': one for every operation. */
  readonly granularity?: 'net' | 'each' | undefined;
  /**
   * Also delivers each record that a deleteAll removes, as a delete event after the deleteAll event. For a feed,
   * deleteAll calls of other processes respect this from a moment after the call; for all other subscriptions, from
   * when the call has resolved.
   */
  readonly expandDeleteAll?: boolean | undefined;
}

export interface SubscriptionOptions<C extends ClassDefinition, O extends Overflow = 'spill'>
  extends WhereOptions<C> {
  readonly from?: Start | undefined;
  /**
   * What to do when more than `queue` events wait. 'spill' (default): they wait in the database and none is lost.
   * 'dropOldest': the oldest transactions are dropped and replaced by a gap event. 'latest': only the last event of
   * each record is kept, with the number of events it stands for. 'error': the subscription ends with OverflowError.
   */
  readonly overflow?: O | undefined;
  /** How many events may wait. Default 1024. Ignored with 'spill'. */
  readonly queue?: number | undefined;
}

export interface FeedOptions<C extends ClassDefinition, K extends string, O extends Overflow = 'spill'>
  extends SubscriptionOptions<C, O> {
  /**
   * Default: all kinds that the classes declare. With implicit events, a class that declares none gets all kinds except
   * field updates.
   */
  readonly kinds?: readonly K[] | undefined;
}

export interface HandlerOptions<C extends ClassDefinition, O extends Overflow = 'spill'>
  extends SubscriptionOptions<C, O> {
  /**
   * How many events are handled at the same time, from 1 (default) to 1024. Events of one record are handled one after
   * the other, in order. An event that concerns all records waits for all events before it, and later events wait for
   * it.
   */
  readonly concurrency?: number | undefined;
  readonly onError?:
    | (Omit<ErrorPolicy, 'outcome'> & { readonly outcome?: 'stop' | 'skip' | undefined })
    | undefined;
}

export interface DurableOptions<C extends ClassDefinition, Mode extends EventMode = undefined>
  extends WhereOptions<C> {
  readonly kinds?: readonly KindOf<C, Mode>[] | undefined;
  /**
   * The start of a new subscription. `{ snapshot: true }`: the existing records as events of kind 'snapshot', then what
   * follows.
   */
  readonly from?: Start | { readonly snapshot: true } | undefined;
  /** 'auto' (default): acknowledges when the handler has settled. 'manual': by calling `ack()` of the event. */
  readonly ack?: 'auto' | 'manual' | undefined;
  /**
   * With 'auto': also stores positions within a transaction. Default false: an unfinished transaction is redelivered as
   * a whole.
   */
  readonly ackWithin?: boolean | undefined;
  /** Durable subscriptions handle one event at a time: an acknowledgement covers everything up to a position. */
  readonly concurrency?: 1 | undefined;
  readonly onError?: ErrorPolicy | undefined;
  /**
   * When the events after the position are no longer kept: 'error' (default) rejects with PositionLostError; 'snapshot'
   * delivers all records again.
   */
  readonly onLost?: 'error' | 'snapshot' | undefined;
  /** Takes over a name, with its position, that was created for other events. */
  readonly migrate?: boolean | undefined;
  /** How long to wait for a live holder to leave, in ms. Default 0: SubscriptionBusyError at once. */
  readonly wait?: number | undefined;
}

/** A record that existed when the subscription started. */
export interface SnapshotEvent<C extends ClassDefinition> {
  readonly kind: 'snapshot';
  readonly class: C['name'];
  readonly key: EventOf<C, 'new'>['key'];
  readonly after: EventOf<C, 'new'>['after'];
  readonly position: string;
}

type SnapshotOf<C extends ClassDefinition> = C extends ClassDefinition ? SnapshotEvent<C> : never;
export type DurableEventOf<C extends ClassDefinition, Mode extends EventMode = undefined> = (
  | EventOf<C, KindOf<C, Mode>, Mode>
  | SnapshotOf<C>
) &
  DurableMarks;

/** The event type of a subscription with this overflow behaviour. */
export type Told<E, O extends Overflow> = O extends 'dropOldest'
  ? E | GapEvent
  : O extends 'latest'
    ? E & { /** The number of events that this one stands for. */ readonly coalesced: number }
    : E;

const WHERE = {
  fields: true,
  where: true,
  ignoreOrigin: true,
  granularity: true,
  expandDeleteAll: true,
} as const;
const SUBSCRIPTION = { from: true, overflow: true, queue: true, ...WHERE } as const;

const HANDLER_NAMES = optionNames<HandlerOptions<ClassDefinition, Overflow>>({
  ...SUBSCRIPTION,
  concurrency: true,
  onError: true,
});
const FEED_NAMES = optionNames<FeedOptions<ClassDefinition, string, Overflow>>({
  ...SUBSCRIPTION,
  kinds: true,
});
const TRANSACTIONS_NAMES = optionNames<Omit<FeedOptions<ClassDefinition, string>, 'overflow' | 'queue'>>({
  ...WHERE,
  from: true,
  kinds: true,
});
const DURABLE_NAMES = optionNames<DurableOptions<ClassDefinition, EventMode>>({
  ...WHERE,
  kinds: true,
  from: true,
  ack: true,
  ackWithin: true,
  concurrency: true,
  onError: true,
  onLost: true,
  migrate: true,
  wait: true,
});

const STANDARD_QUEUE = 1024;
const MOST_AT_ONCE = 1024;

/**
 * The events of a database: committed changes, delivered after the commit, in commit order, the same for everybody.
 * Only declared events are delivered; subscribing to any other throws EventNotDeclaredError at the call.
 */
export class Events<
  Classes extends readonly ClassDefinition[] = readonly ClassDefinition[],
  Mode extends EventMode = undefined,
> extends EventWaits<Classes> {
  readonly #hub: Hub;
  readonly #definitions: readonly ClassDefinition[];
  readonly #connections = new Set<{ close(): void }>();

  constructor(hub: Hub, definitions: readonly ClassDefinition[]) {
    super(hub, definitions);
    this.#hub = hub;
    this.#definitions = definitions;
  }

  /**
   * Whether events of all kinds are delivered for all classes, whatever they declare (`events: 'implicit'` of
   * connect()).
   */
  get implicit(): boolean {
    return this.#hub.log.isImplicit;
  }

  /** The position of the latest commit: a subscription from here gets everything after it. */
  get position(): string {
    const { log } = this.#hub;
    return formatPosition(log.epoch, this.#hub.now());
  }

  /** Calls the handler with each event. Resolves when the subscription is live: every later commit is delivered. */
  async on<
    C extends Classes[number],
    const K extends WantedKind<C, Mode>,
    const O extends Overflow = 'spill',
  >(
    classes: OneOrMore<C>,
    kinds: OneOrMore<K>,
    handler: Handler<Told<EventOf<C, K, Mode>, O>>,
    options: HandlerOptions<C, O> = {},
  ): Promise<Subscription<Told<EventOf<C, K, Mode>, O>>> {
    checkOptions(options, HANDLER_NAMES);
    checkHandler(handler);
    const concurrency = checkConcurrency(options.concurrency, MOST_AT_ONCE);
    const policy = checkPolicy(options.onError, ['stop', 'skip']);
    const { source, ready } = this.#source(
      listOf(classes),
      listOf(kinds) as readonly string[],
      options as SubscriptionOptions<C, O>,
    );
    const subscription = new Subscription(this.#hub, source, handler, policy, { concurrency });
    try {
      await ready;
    } catch (error) {
      await subscription.close(); // nobody else can close it
      throw error;
    }
    return subscription;
  }

  /** The events as an async iterable for `for await`. It is live when the call returns. */
  feed<
    C extends Classes[number],
    const K extends WantedKind<C, Mode> = StandardKind<C, Mode> & WantedKind<C, Mode>,
    const O extends Overflow = 'spill',
  >(classes: OneOrMore<C>, options: FeedOptions<C, K, O> = {}): Feed<Told<EventOf<C, K, Mode>, O>> {
    checkOptions(options, FEED_NAMES);
    const { source } = this.#source(listOf(classes), options.kinds as string[] | undefined, options);
    return new Feed(this.#hub, source);
  }

  /** The transactions as an async iterable, each with its events. It is live when the call returns. */
  transactions<
    C extends Classes[number],
    const K extends WantedKind<C, Mode> = StandardKind<C, Mode> & WantedKind<C, Mode>,
  >(
    classes: OneOrMore<C>,
    options: Omit<FeedOptions<C, K>, 'overflow' | 'queue'> = {},
  ): TransactionFeed<EventOf<C, K, Mode>> {
    checkOptions(options, TRANSACTIONS_NAMES);
    const { source } = this.#source(listOf(classes), options.kinds as string[] | undefined, options);
    return transactionsOf(new Feed<EventOf<C, K, Mode>>(this.#hub, source));
  }

  /**
   * A subscription whose position is stored in the database under `name`. Events that its handler had not completed
   * when the subscription, the process or the machine ended are delivered again to the next holder of the name, marked
   * as redelivered. There is one holder at a time.
   *
   * Rejects with SubscriptionBusyError while another holder is alive, with SpecChangedError when the name was created
   * for other events (unless `migrate`), and with PositionLostError when the following events are no longer kept
   * (unless `onLost: 'snapshot'`).
   */
  async durable<C extends Classes[number]>(
    name: string,
    classes: OneOrMore<C>,
    handler: Handler<DurableEventOf<C, Mode>>,
    options: DurableOptions<C, Mode> = {},
  ): Promise<DurableSubscription<DurableEventOf<C, Mode>>> {
    const { log } = this.#hub;
    const definitions = listOf(classes);
    checkOptions(options, DURABLE_NAMES);
    checkHandler(handler);
    const policy = checkPolicy(options.onError, ['stop', 'skip', 'park']);
    const filter = new Filter(
      log,
      definitions,
      options.kinds as string[] | undefined,
      options as FilterOptions,
    );
    const setup = setupOf(log, name, definitions, options);
    const logged = definitions.map((each) => log.classOf(each));
    const keeper = await DurableKeeper.open(log, setup);
    try {
      if (setup.migrate) await log.notes.write((pen) => forgetExpansion(log, pen, name));
      if (filter.isExpanding) await log.expand(logged, `durable:${name}`, true).ready;
      const pullerAfter = (place: Place): Puller => new Puller(log, filter, place, 'spill', STANDARD_QUEUE);
      const source: Source = keeper.isSnapshotDue
        ? new SnapshotSource(log, filter, logged, pullerAfter)
        : pullerAfter(keeper.place);
      return new DurableSubscription(this.#hub, source, handler, policy, keeper, filter);
    } catch (error) {
      await keeper.close(); // otherwise nobody could have the name until the lease expires
      throw error;
    }
  }

  /**
   * Deletes a durable subscription with its position and parked events. Resolves to whether it existed. The name can
   * then be used afresh, even when its stored state was damaged. SubscriptionBusyError while somebody holds it.
   */
  forget(name: string): Promise<boolean> {
    return forget(this.#hub.log, checkDurableName(name));
  }

  /** A separate set of waits: with its own cursors and its own release state. */
  connection(): EventWaits<Classes> {
    const forget = (): boolean => this.#connections.delete(connection);
    const connection = new EventWaits<Classes>(this.#hub, this.#definitions, forget);
    this.#connections.add(connection);
    return connection;
  }

  /** Releases all waits and ends all subscriptions; resolves when no handler is running any more. */
  async end(): Promise<void> {
    this.close();
    for (const each of this.#connections) each.close();
    await this.#hub.end(undefined);
  }

  #source(
    definitions: readonly ClassDefinition[],
    kinds: readonly string[] | undefined,
    options: SubscriptionOptions<ClassDefinition, Overflow>,
  ): { readonly source: Source; readonly ready: Promise<void> } {
    const { log } = this.#hub;
    const { from = 'now', overflow = 'spill', queue = STANDARD_QUEUE } = options;
    if (!['spill', 'dropOldest', 'latest', 'error'].includes(overflow))
      throw invalidArgument(
        'overflow',
        `overflow is 'spill', 'dropOldest', 'latest' or 'error', not ${shown(overflow)}`,
      );
    if (!Number.isSafeInteger(queue) || queue < 1)
      throw invalidArgument('queue', `queue is an integer, 1 or more, not ${shown(queue)}`);
    const filter = new Filter(log, definitions, kinds, options as FilterOptions);
    const puller = new Puller(log, filter, placeOfStart(log, from), overflow, queue);
    if (!filter.isExpanding) return { source: puller, ready: Promise.resolve() };
    const logged = definitions.map((each) => log.classOf(each));
    const expansion = log.expand(logged, randomUUID(), false);
    puller.onEnd(() => expansion.end());
    expansion.ready.catch(() => {}); // nobody has to wait for it: in this thread the request is already effective
    return { source: puller, ready: expansion.ready };
  }
}

function setupOf(
  log: ChangeLog,
  name: string,
  definitions: readonly ClassDefinition[],
  options: DurableOptions<ClassDefinition, EventMode>,
): DurableSetup {
  const {
    from = 'now',
    ack = 'auto',
    ackWithin = false,
    onLost = 'error',
    migrate = false,
    wait = 0,
  } = options;
  checkConcurrency(options.concurrency, 1);
  if (ack !== 'auto' && ack !== 'manual')
    throw invalidArgument('ack', `ack is 'auto' or 'manual', not ${shown(ack)}`);
  if (onLost !== 'error' && onLost !== 'snapshot')
    throw invalidArgument('onLost', `onLost is 'error' or 'snapshot', not ${shown(onLost)}`);
  if (typeof wait !== 'number' || !(wait >= 0))
    throw invalidArgument('wait', `wait is ms, 0 or more, not ${shown(wait)}`);
  if (typeof from === 'object' && from !== null) checkOptions(from, SNAPSHOT_NAMES, 'from');
  const withSnapshot = typeof from === 'object' && from !== null && from.snapshot === true;
  const { kinds, fields, where, ignoreOrigin, granularity, expandDeleteAll } = options;
  const spec = {
    classes: definitions.map((each) => each.name).sort(),
    kinds: sorted(kinds),
    fields: sorted(fields),
    where: where ? sorted(Object.keys(where))?.map((each) => [each, where[each as never]]) : undefined,
    ignoreOrigin,
    granularity: granularity === 'net' ? undefined : granularity,
    expandDeleteAll: expandDeleteAll ? true : undefined,
  };
  const text = JSON.stringify(spec, (_name, value) => (typeof value === 'bigint' ? `${value}n` : value));
  return {
    name: checkDurableName(name),
    spec: createHash('sha256').update(text).digest('base64url'),
    from: withSnapshot ? NOWHERE : placeOfStart(log, from),
    withSnapshot,
    migrate: checkFlag('migrate', migrate),
    isManual: ack === 'manual',
    ackWithin: checkFlag('ackWithin', ackWithin),
    onLost,
    wait,
  };
}

/** Without duplicates. */
function listOf<T>(given: OneOrMore<T>): readonly T[] {
  return Array.isArray(given) ? [...new Set(given)] : [given as T];
}
