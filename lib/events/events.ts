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

/** Where a subscription begins: with what is committed from now on, with all that is kept, or after a position. */
export type Start = 'now' | 'beginning' | (string & {});

type OneOrMore<C> = C | readonly C[];

/** Which records' events are wanted. */
export interface WhereOptions<C extends ClassDefinition> {
  /** Of updates: only those of at least one of these fields. */
  readonly fields?: readonly (keyof C['fields'] & string)[] | undefined;
  /** Only records whose fields have these values, before or after: `transition` says which. */
  readonly where?: Partial<{ readonly [F in keyof C['fields']]: unknown }> | undefined;
  /** Leaves out transactions of this origin, such as the subscriber's own. */
  readonly ignoreOrigin?: string | undefined;
  /** 'net' (default): one event for a record and transaction. 'each': one for every operation. */
  readonly granularity?: 'net' | 'each' | undefined;
  /**
   * The records that a deleteAll removes, each as a delete event after the one for all. Where a feed asks for it, other
   * processes keep to it a moment after the call; everybody else has it from when the call has resolved.
   */
  readonly expandDeleteAll?: boolean | undefined;
}

export interface SubscriptionOptions<C extends ClassDefinition, O extends Overflow = 'spill'>
  extends WhereOptions<C> {
  readonly from?: Start | undefined;
  /**
   * What happens when more than `queue` events wait. 'spill' (default): they wait in the database, none is lost.
   * 'dropOldest': the oldest transactions are dropped, with a gap in their place. 'latest': the last event of each
   * record, with how many it stands for. 'error': it ends with OverflowError.
   */
  readonly overflow?: O | undefined;
  /** How many events may wait; default 1024. Not of importance for 'spill'. */
  readonly queue?: number | undefined;
}

export interface FeedOptions<C extends ClassDefinition, K extends string, O extends Overflow = 'spill'>
  extends SubscriptionOptions<C, O> {
  /** Default: all that the classes declare; of one that declares nothing, where events are implicit, all but field updates. */
  readonly kinds?: readonly K[] | undefined;
}

export interface HandlerOptions<C extends ClassDefinition, O extends Overflow = 'spill'>
  extends SubscriptionOptions<C, O> {
  /**
   * How many events are handled at a time, from 1 (default) to 1024: of each record one after the other, in their order.
   * What concerns all records waits for what is before it, and is waited for by what is after it.
   */
  readonly concurrency?: number | undefined;
  readonly onError?:
    | (Omit<ErrorPolicy, 'outcome'> & { readonly outcome?: 'stop' | 'skip' | undefined })
    | undefined;
}

export interface DurableOptions<C extends ClassDefinition, Mode extends EventMode = undefined>
  extends WhereOptions<C> {
  readonly kinds?: readonly KindOf<C, Mode>[] | undefined;
  /** Of a new name. `{ snapshot: true }`: the records there are, as events of kind 'snapshot', then what follows. */
  readonly from?: Start | { readonly snapshot: true } | undefined;
  /** 'auto' (default): when the handler has settled. 'manual': by `ack()` of the event. */
  readonly ack?: 'auto' | 'manual' | undefined;
  /** With 'auto': a position in the middle of a transaction counts, too. Default false: it is told again as a whole. */
  readonly ackWithin?: boolean | undefined;
  /** One after the other: what is acknowledged is everything up to a position. */
  readonly concurrency?: 1 | undefined;
  readonly onError?: ErrorPolicy | undefined;
  /** When what follows the position is not kept any more: 'error' (default) rejects with PositionLostError. */
  readonly onLost?: 'error' | 'snapshot' | undefined;
  /** Takes over a name that was made for other events, with its position. */
  readonly migrate?: boolean | undefined;
  /** ms to wait for a holder that is alive to go. Default 0: SubscriptionBusyError. */
  readonly wait?: number | undefined;
}

/** A record that was there when the subscription began. */
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

/** What the overflow of a subscription makes of its events. */
export type Told<E, O extends Overflow> = O extends 'dropOldest'
  ? E | GapEvent
  : O extends 'latest'
    ? E & { /** How many events it stands for. */ readonly coalesced: number }
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
 * The events of a database: what was committed, after it was, in the order in which it was, the same for everybody.
 * Only what a class declares is told; a subscription to anything else throws EventNotDeclaredError at the call.
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

  /** Whether all kinds of all classes are told, whatever they declare (`events: 'implicit'` of connect). */
  get implicit(): boolean {
    return this.#hub.log.isImplicit;
  }

  /** The position of what was committed last: a subscription from there is told what follows. */
  get position(): string {
    const { log } = this.#hub;
    return formatPosition(log.epoch, this.#hub.now());
  }

  /** Calls the handler with each event. Resolves when the subscription is live: every commit after that is told. */
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
      await subscription.close(); // nobody else could
      throw error;
    }
    return subscription;
  }

  /** The events to be asked for, `for await`. It is live when the call returns. */
  feed<
    C extends Classes[number],
    const K extends WantedKind<C, Mode> = StandardKind<C, Mode> & WantedKind<C, Mode>,
    const O extends Overflow = 'spill',
  >(classes: OneOrMore<C>, options: FeedOptions<C, K, O> = {}): Feed<Told<EventOf<C, K, Mode>, O>> {
    checkOptions(options, FEED_NAMES);
    const { source } = this.#source(listOf(classes), options.kinds as string[] | undefined, options);
    return new Feed(this.#hub, source);
  }

  /** The transactions to be asked for, each with its events. It is live when the call returns. */
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
   * A subscription whose position is kept in the database under `name`: what its handler was not done with when it, the
   * process or the machine ended is told again to the next holder of the name, marked as such. One holder at a time.
   *
   * SubscriptionBusyError while another is alive; SpecChangedError when the name was made for other events, unless
   * `migrate`; PositionLostError when what follows is not kept any more, unless `onLost: 'snapshot'`.
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
      await keeper.close(); // or nobody else could have the name for a while
      throw error;
    }
  }

  /**
   * Gives up a durable subscription with its position and what was parked; whether there was one. The name can be used
   * as if it had never been, also where what is stored of it is damaged. SubscriptionBusyError while somebody holds it.
   */
  forget(name: string): Promise<boolean> {
    return forget(this.#hub.log, checkDurableName(name));
  }

  /** Waits of its own: other cursors, and a release of its own. */
  connection(): EventWaits<Classes> {
    const forget = (): boolean => this.#connections.delete(connection);
    const connection = new EventWaits<Classes>(this.#hub, this.#definitions, forget);
    this.#connections.add(connection);
    return connection;
  }

  /** Releases all waits, ends all subscriptions; resolves when no handler runs any more. */
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
    expansion.ready.catch(() => {}); // for who does not wait for it: what is asked for has been begun in this thread
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

/** Without repetition. */
function listOf<T>(given: OneOrMore<T>): readonly T[] {
  return Array.isArray(given) ? [...new Set(given)] : [given as T];
}
