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

/** ms before the first retry of a write of its own; doubles each time. */
const FIRST_PAUSE_MS = 50;

/** What to do when a handler throws or rejects. */
export interface ErrorPolicy {
  /** How often to call it again with the same event. Default 0. */
  readonly retries?: number | undefined;
  /** ms before the first retry; doubles each time. Default 100. */
  readonly backoff?: number | undefined;
  /** ms after which a call counts as failed. Its `signal` aborts, and the call is not waited for. Default: no limit. */
  readonly timeout?: number | undefined;
  /**
   * After the last retry: 'stop' (default) ends the subscription, and `closed` rejects with the error; 'skip' continues
   * with the next event; 'park' stores the event for replayParked() (durable subscriptions only) and continues.
   */
  readonly outcome?: 'stop' | 'skip' | 'park' | undefined;
}

/** The second argument of a handler. */
export interface HandlerContext {
  /** Aborts when the call has exceeded its timeout. */
  readonly signal: AbortSignal;
}

export type Handler<E> = (event: E, context: HandlerContext) => unknown;
/** An error policy with all defaults filled in. */
export type Policy = Required<Omit<ErrorPolicy, 'timeout'>> & Pick<ErrorPolicy, 'timeout'>;

export interface SubscriptionStats {
  readonly delivered: number;
  readonly retried: number;
  readonly dropped: number;
  /** Events given up after an error: skipped or parked. */
  readonly failed: number;
  /** Transactions committed but not yet examined; 0 once the subscription has ended. */
  readonly lag: number;
}

/** What a durable subscription adds to one that only lives in the process. */
export interface Keeper {
  /** Whether the next event may be delivered without a write before it. */
  readonly isAllowed: boolean;
  /** Writes down that the next event will be delivered. */
  announce(): Promise<void>;
  /**
   * Called before a delivery: adds the marks about earlier attempts. undefined: an earlier holder has parked the event.
   */
  decorate(event: Pulled): Pulled | undefined;
  /** Everything up to this place is done. */
  done(place: Place, isTransactionEnd: boolean): void;
  /** Whether the last delivered event is acknowledged, so that its handler must not be called again. */
  isSettled(): Promise<boolean>;
  /** Parks the last delivered event unless it is acknowledged. */
  park(event: Pulled, error: unknown, attempts: number): Promise<void>;
  close(): Promise<void>;
}

export interface SubscriptionSetup {
  readonly keeper?: Keeper;
  /** How many events to handle at the same time, one of each record. Default 1. */
  readonly concurrency?: number;
}

/**
 * Calls a handler with one event after another, in commit order, each after the previous call has settled; or with
 * several at a time, of different records. It is live when the call that created it has resolved.
 */
export class Subscription<E = unknown> implements AsyncDisposable {
  readonly #hub: Hub;
  readonly #tail: Tail;
  readonly #handler: Handler<never>; // so that E only describes the events
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
  /** The last event handled after the place. */
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
      // When the handler itself waits for this end, do not wait for the handler; unfinished events are delivered again.
      if (this.#caller.isCalling) release();
      return Promise.race([this.#running.catch(() => {}), this.#released.then(() => this.#keeper?.close())]);
    });
    this.#running = this.#run();
    this.#running.catch((error: unknown) => {
      // If nobody has read `closed`, at least warn.
      if (!this.#isObserved) process.emitWarning(warningOf(error));
    });
  }

  /**
   * Resolves when it has ended and its last call has settled; rejects with the error that stopped it. Within the
   * handler, resolves as soon as it has ended.
   */
  get closed(): Promise<void> {
    this.#isObserved = true;
    return this.#caller.isCalling ? this.#untilEnded() : this.#running;
  }

  /** Everything up to here was handled; another subscription can start after it. */
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

  /** Stops delivering at once, also from within the handler. A call under way continues; see `closed`. */
  async close(): Promise<void> {
    this.#tail.leave();
  }

  /** Ends it with an error, like a failing handler. */
  protected stop(error: unknown): void {
    this.#stopped ??= { error };
    this.#tail.leave();
  }

  /**
   * Resolves when everything up to the transaction `seq` (default: all commits so far) has been handled; rejects when
   * it ends before that. DeadlockError within its own handler, because it would wait for itself.
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

  /** Calls the handler with the timeout of the policy. */
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
      // The first call must not happen within the call that creates the subscription.
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

  /**
   * Runs until the end and handles in parallel what may be. Events pulled before the source failed are still handled.
   */
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

  /** Passes only what has no unfinished event before it. */
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

  /** Synchronous when the handler is synchronous and does not throw. */
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

  /** The outcome of an event after its handler failed; 'open' when the subscription ends before it is known. */
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
      // With several attempts, a late earlier call may have acknowledged the event.
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

  /** Retries a failed write. undefined when the subscription ends before it succeeds, or has no keeper. */
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

/** Rejects with TimeoutError when the promise that the call returns has not settled in time. */
async function withinTime(timeout: number, call: (context: HandlerContext) => unknown): Promise<void> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  try {
    // Nobody waits for a late result.
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
