import { invalidArgument, LARGEST_TIMEOUT, messageOf, shown } from '../arguments';
import { ClosedError, DeadlockError, TimeoutError } from '../errors';
import { isThenable } from '../foreign';
import { clearTimeout, setImmediate, setTimeout } from '../platform';
import { Caller } from './caller';
import type { Place } from './change-log';
import { WHOLE } from './change-log';
import type { Hub } from './hub';
import { type Entry, Lanes, type Outcome } from './lanes';
import { isPassing, pauseAfter } from './passing';
import { formatPosition, placeIn } from './position';
import { isGap, type Pulled, type Source } from './puller';
import { Tail } from './tail';

/** ms between two tries of a write of its own; it doubles. */
const FIRST_PAUSE_MS = 50;

/** What happens when a handler throws or rejects, after the retries. */
export interface ErrorPolicy {
  /** How often the same event is given to it again. Default 0. */
  readonly retries?: number | undefined;
  /** ms before the first retry; it doubles. Default 100. */
  readonly backoff?: number | undefined;
  /** ms after which a call counts as failed; it is told by `signal` and not waited for. Default: it may take for ever. */
  readonly timeout?: number | undefined;
  /** 'stop' (default): the subscription ends, and `closed` rejects with the error. 'skip': it goes on with the next. */
  readonly outcome?: 'stop' | 'skip' | 'park' | undefined;
}

/** What a handler is given beside the event. */
export interface HandlerContext {
  /** Aborted when the call has taken longer than it may. */
  readonly signal: AbortSignal;
}

export type Handler<E> = (event: E, context: HandlerContext) => unknown;
/** What is done about a handler that fails, with everything said. */
export type Policy = Required<Omit<ErrorPolicy, 'timeout'>> & Pick<ErrorPolicy, 'timeout'>;

export interface SubscriptionStats {
  readonly delivered: number;
  readonly retried: number;
  readonly dropped: number;
  /** Events given up with their error: skipped or parked. */
  readonly failed: number;
  /** Transactions committed and not yet looked at; 0 once it has ended. */
  readonly lag: number;
}

/** What a durable subscription adds to one that only lives in the process. */
export interface Keeper {
  /** Whether the next event may be handed over without anything being written before. */
  readonly isAllowed: boolean;
  /** Writes down that the next event is handed over. */
  announce(): Promise<void>;
  /** Before an event is handed over: what to tell of earlier attempts. undefined: an earlier holder has set it aside. */
  decorate(event: Pulled): Pulled | undefined;
  /** All up to here is done with. */
  done(place: Place, isTransactionEnd: boolean): void;
  /** Whether the event that was handed over last is acknowledged: its handler is not to be called with it again. */
  isSettled(): Promise<boolean>;
  /** The event that was handed over last, unless it is acknowledged. */
  park(event: Pulled, error: unknown, attempts: number): Promise<void>;
  close(): Promise<void>;
}

export interface SubscriptionSetup {
  readonly keeper?: Keeper;
  /** How many events are handled at a time; of each record one. Default 1. */
  readonly concurrency?: number;
}

/**
 * A handler that is given event after event, each when what it returned for the one before has settled, in the order of
 * the commits; or several at a time, of different records. It is live from when the call that made it has resolved.
 */
export class Subscription<E = unknown> implements AsyncDisposable {
  readonly #hub: Hub;
  readonly #tail: Tail;
  readonly #handler: Handler<never>; // so that E is only what is told
  readonly #policy: Policy;
  readonly #keeper: Keeper | undefined;
  readonly #concurrency: number;
  readonly #caller = new Caller();
  readonly #running: Promise<void>;
  /** Resolves when the handler itself waits for the end. */
  readonly #released: Promise<void>;
  readonly #whenCaughtUp: {
    readonly seq: number;
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  #place: Place;
  /** The last event that was handled behind the place. */
  #handled: Pulled | undefined;
  #delivered = 0;
  #retried = 0;
  #dropped = 0;
  #failed = 0;
  #isObserved = false;
  #stopped: { readonly error: unknown } | undefined;

  constructor(
    hub: Hub,
    source: Source,
    handler: Handler<E>,
    policy: Policy,
    { keeper, concurrency = 1 }: SubscriptionSetup = {},
  ) {
    this.#hub = hub;
    this.#handler = handler;
    this.#policy = policy;
    this.#keeper = keeper;
    this.#concurrency = concurrency;
    this.#place = source.place;
    let release = (): void => {};
    this.#released = new Promise((resolve) => {
      release = resolve;
    });
    this.#tail = new Tail(hub, source, (reason) => {
      if (reason !== undefined) this.stop(reason);
      // A handler that waits for this end is not waited for; what it was not done with is told again.
      if (this.#caller.isCalling) release();
      return Promise.race([this.#running.catch(() => {}), this.#released.then(() => this.#keeper?.close())]);
    });
    this.#running = this.#run();
    this.#running.catch((error: unknown) => {
      // Nobody may have asked how it ends: then at least it is said.
      if (!this.#isObserved) process.emitWarning(warningOf(error));
    });
  }

  /**
   * Resolves when it has ended and its last call has settled; rejects with the error that stopped it. The handler itself
   * is told when it has ended.
   */
  get closed(): Promise<void> {
    this.#isObserved = true;
    return this.#caller.isCalling ? this.#untilEnded() : this.#running;
  }

  /** Everything up to here was handled; another subscription can begin after it. */
  get position(): string {
    const last = this.#handled;
    if (last !== undefined) return isGap(last) ? last.to : last.position;
    return formatPosition(this.#hub.log.epoch, this.#place);
  }

  get stats(): SubscriptionStats {
    return {
      delivered: this.#delivered,
      retried: this.#retried,
      dropped: this.#dropped,
      failed: this.#failed,
      lag: this.#tail.isEnded ? 0 : Math.max(0, this.#hub.log.head().seq - this.#place.seq),
    };
  }

  /** Nothing more is handed over: at once, also from within its own handler. A call under way goes on; see `closed`. */
  async close(): Promise<void> {
    this.#tail.leave();
  }

  /** Ends it with an error, as a handler that fails does. */
  protected stop(error: unknown): void {
    this.#stopped ??= { error };
    this.#tail.leave();
  }

  /**
   * Resolves when everything up to the transaction `seq`, or all that is committed by now, has been handled; rejects
   * when it ends before. DeadlockError in its own handler, which it would wait for.
   */
  async caughtUp(seq?: bigint): Promise<void> {
    if (seq !== undefined && (typeof seq !== 'bigint' || seq < 0n))
      throw invalidArgument('seq', `seq is a bigint, 0 or more, not ${shown(seq)}`);
    if (this.#tail.isEnded && (seq === undefined || !this.#hasHandled(Number(seq))))
      throw new ClosedError('the subscription has ended');
    const wanted = seq === undefined ? this.#hub.log.head().seq : Number(seq);
    if (this.#hasHandled(wanted)) return;
    if (this.#caller.isCalling)
      throw new DeadlockError('caughtUp() in the handler of the subscription waits for that handler');
    await new Promise<void>((resolve, reject) => {
      this.#whenCaughtUp.push({ seq: wanted, resolve, reject });
      this.#tail.wake();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Calls the handler, which has as long as it may take. */
  protected handle(event: E): unknown {
    const { timeout } = this.#policy;
    return timeout === undefined
      ? this.#handler(event as never, UNLIMITED)
      : withinTime(timeout, (context) => this.#handler(event as never, context));
  }

  protected get isEnded(): boolean {
    return this.#tail.isEnded;
  }

  #hasHandled(seq: number): boolean {
    return this.#place.seq > seq || (this.#place.seq === seq && this.#place.index === WHOLE);
  }

  async #run(): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    try {
      // Not within the call that makes it.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#concurrency > 1) await this.#handleSeveral(new Lanes(this.#concurrency));
      while (!this.#tail.isEnded) {
        const events = this.#tail.take();
        if (events.length > 0) await this.#handleAll(events);
        if (!this.#tail.isEnded) this.#advance(this.#tail.source.place);
        await this.#tail.more();
      }
    } catch (error) {
      failure = { error };
    }
    this.#tail.leave();
    failure ??= this.#stopped;
    const ended = failure ?? { error: new ClosedError('the subscription has ended') };
    for (const { reject } of this.#whenCaughtUp.splice(0)) reject(ended.error);
    await this.#keeper?.close();
    if (failure !== undefined) throw failure.error;
  }

  async #untilEnded(): Promise<void> {
    while (!this.#tail.isEnded) await this.#tail.pause(LARGEST_TIMEOUT);
    if (this.#stopped !== undefined) throw this.#stopped.error;
  }

  readonly #handleAll = this.#caller.mark(async (events: readonly Pulled[]): Promise<void> => {
    for (const event of events) {
      if (this.#tail.isEnded) return;
      if (isGap(event)) this.#dropped += event.dropped ?? 0;
      if (this.#keeper?.isAllowed === false) {
        await this.#persist((keeper) => keeper.announce());
        if (this.#tail.isEnded) return;
      }
      const given = this.#keeper === undefined ? event : this.#keeper.decorate(event);
      if (given !== undefined) {
        try {
          const returned = this.handle(given as E);
          if (isThenable(returned)) await returned;
        } catch (error) {
          const outcome = await this.#retry(given, error);
          if (outcome === 'open') return;
          if (outcome === 'failed') this.#failed += 1;
        }
        this.#delivered += 1;
      }
      this.#handled = event;
      this.#keeper?.done(placeOf(event, this.#place), isEndOfTransaction(event));
    }
  });

  /** Until it ends: what may be handled at the same time is. What was pulled before the source failed is handled still. */
  async #handleSeveral(lanes: Lanes): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    let exhausted: { readonly error: unknown } | undefined;
    const fail = (entry: Entry, error: unknown): void => {
      failure ??= { error };
      this.#tail.leave();
      lanes.end(entry, 'open');
    };
    while (!this.#tail.isEnded) {
      if (lanes.wantsMore && exhausted === undefined && this.#tail.mayHaveMore) {
        try {
          const events = this.#tail.take();
          lanes.add(events, this.#tail.source.place);
        } catch (error) {
          exhausted = { error };
        }
      }
      this.#beginAll(lanes, fail);
      this.#pass(lanes);
      if (this.#tail.isEnded || (exhausted !== undefined && lanes.isEmpty)) break;
      const ended = lanes.ended();
      await (lanes.wantsMore && exhausted === undefined ? Promise.race([this.#tail.more(), ended]) : ended);
    }
    this.#tail.leave();
    while (lanes.underWay > 0) await lanes.ended();
    this.#pass(lanes);
    failure ??= exhausted;
    if (failure !== undefined) throw failure.error;
  }

  #beginAll(lanes: Lanes, fail: (entry: Entry, error: unknown) => void): void {
    while (!this.#tail.isEnded) {
      const entry = lanes.next();
      if (entry === undefined) return;
      const { event } = entry;
      if (isGap(event)) this.#dropped += event.dropped ?? 0;
      const outcome = this.#handle(event);
      if (typeof outcome === 'string') lanes.end(entry, outcome);
      else {
        outcome.then(
          (each) => lanes.end(entry, each),
          (error: unknown) => fail(entry, error),
        );
      }
    }
  }

  /** Told is only what has nothing before it that is still being handled. */
  #pass(lanes: Lanes): void {
    for (let each = lanes.pass(); each !== undefined; each = lanes.pass()) {
      if (each.event === undefined) {
        this.#advance(each.place);
        continue;
      }
      this.#delivered += 1;
      if (each.outcome === 'failed') this.#failed += 1;
      this.#handled = each.event;
    }
  }

  /** At once where the handler is not asynchronous and does not fail. */
  readonly #handle = this.#caller.mark((event: Pulled): Outcome | Promise<Outcome> => {
    try {
      const returned = this.handle(event as E);
      return isThenable(returned) ? this.#settle(event, returned) : 'handled';
    } catch (error) {
      return this.#settle(event, Promise.reject(error));
    }
  });

  readonly #settle = this.#caller.mark(
    async (event: Pulled, returned: PromiseLike<unknown>): Promise<Outcome> => {
      try {
        await returned;
        return 'handled';
      } catch (error) {
        return await this.#retry(event, error);
      }
    },
  );

  /** What becomes of an event whose handler has failed; open when it is ended before that is known. */
  async #retry(event: Pulled, first: unknown): Promise<Outcome> {
    const { retries, backoff, outcome } = this.#policy;
    let error = first;
    for (let attempt = 0; attempt < retries; attempt += 1) {
      await this.#tail.pause(backoff * 2 ** attempt);
      if (this.#tail.isEnded) return 'open';
      const settled = await this.#persist((keeper) => keeper.isSettled());
      if (settled?.value === true) return 'handled';
      if (this.#tail.isEnded) return 'open';
      this.#retried += 1;
      try {
        await this.handle(event as E);
        return 'handled';
      } catch (again) {
        error = again;
      }
    }
    if (outcome === 'stop') {
      // Of several calls, one that is late may have done what the last found done.
      const settled = retries > 0 ? await this.#persist((keeper) => keeper.isSettled()) : undefined;
      if (settled?.value === true) return 'handled';
      this.#failed += 1;
      throw error;
    }
    if (outcome === 'park') {
      const parked = await this.#persist((keeper) => keeper.park(event, error, retries + 1));
      if (parked === undefined) return 'open';
    }
    return 'failed';
  }

  /** What cannot be written for now is tried again; undefined when the subscription ends before it can be, or has no keeper. */
  async #persist<T>(write: (keeper: Keeper) => Promise<T>): Promise<{ readonly value: T } | undefined> {
    if (this.#keeper === undefined) return undefined;
    for (let failures = 0; ; failures += 1) {
      try {
        return { value: await write(this.#keeper) };
      } catch (error) {
        if (!isPassing(error) && !this.#tail.isEnded) throw error;
      }
      await this.#tail.pause(pauseAfter(failures, FIRST_PAUSE_MS));
      if (this.#tail.isEnded) return undefined;
    }
  }

  #advance(place: Place): void {
    this.#place = place;
    this.#handled = undefined;
    this.#keeper?.done(place, place.index === WHOLE);
    const waiting = this.#whenCaughtUp;
    for (let i = waiting.length - 1; i >= 0; i -= 1) {
      const each = waiting[i];
      if (each === undefined || !this.#hasHandled(each.seq)) continue;
      waiting.splice(i, 1);
      each.resolve();
    }
  }
}

const UNLIMITED: HandlerContext = {
  get signal() {
    return new AbortController().signal;
  },
};

/** TimeoutError when what the call returns has not settled in time. */
async function withinTime(timeout: number, call: (context: HandlerContext) => unknown): Promise<void> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  try {
    // Nobody waits for what is late.
    await new Promise((resolve, reject) => {
      timer = setTimeout(() => {
        const error = new TimeoutError(`the handler has not ended within ${timeout} ms`);
        reject(error);
        controller.abort(error);
      }, timeout);
      Promise.resolve(call({ signal: controller.signal })).then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
  }
}

function isEndOfTransaction(event: Pulled): boolean {
  return isGap(event) || event.transaction?.last === true;
}

function placeOf(event: Pulled, otherwise: Place): Place {
  if (isGap(event) || event.transaction === undefined) return otherwise;
  const place = placeIn(event.position);
  return event.transaction.last ? { seq: place.seq, index: WHOLE } : place;
}

function warningOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(`a subscription was stopped by ${messageOf(error)}`);
}
