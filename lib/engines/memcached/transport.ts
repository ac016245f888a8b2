import type { Endpoint } from '../../cluster/endpoint';
import { TopologyMonitor } from '../../cluster/topology';
import { BackpressureError, ClosedError, type ErrorContext, EvenkeelError } from '../../errors';
import type { EventBase, Registration } from '../../event-base/event-base';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { clearTimeout, dateNow, nextTick, performanceNow, queueMicrotask, setTimeout } from '../../platform';
import { withoutStack } from '../../stacks';
import { onAbort, reasonOf } from '../../transactions/abort';
import type { GetMany, Waiting } from '../../transactions/get-many';
import { type Details, details, Kind, nameOf, type Operation } from '../../transactions/operation';
import { commonFlagsTranscoder, type Transcoder } from '../../transactions/transcoder';
import type { Transport } from '../engine';
import { readAnswer } from './answers';
import { causeError } from './causes';
import { Completions } from './completions';
import { Connector } from './connector';
import { lookForRecord } from './not-stored';
import { CODES, isIdempotent } from './operations';
import type { ResolvedClientOptions } from './options';
import { closedError, refusalError } from './refusals';
import { missOf, Status, statusError } from './statuses';
import { unansweredError } from './unanswered';

/** One event base's connection to one memcached server, and the operations under way on it. */
export class MemcachedTransport implements Transport {
  readonly transcoder: Transcoder;
  readonly topology: TopologyMonitor;
  readonly mayBeUnversioned = true;
  readonly #base: EventBase;
  readonly node: string;
  readonly #connector: Connector;
  readonly #options: ResolvedClientOptions;
  readonly #native: NativeClient;
  readonly #parameters = new Uint32Array(layout.PARAM_WORDS);
  readonly #completions: Completions;
  readonly #pending: (Operation | undefined)[] = [];
  #underWay = 0;
  #flushScheduled = false;
  #flushWatch: Registration | undefined;
  #closed = false;
  #closedWhat = 'the database';
  #closing: Promise<void> | undefined;
  #whenIdle: (() => void)[] = [];
  readonly #waiting = new Set<Waiting>();
  /** When an append or prepend was handed in: the end of it may take another look at the record. */
  readonly #extending = new WeakMap<Operation, number>();
  /** Reads whose connection broke, until they are handed in again, and reads that others depend on. */
  #lost: Operation[] = [];
  /** While what is submitted continues a call under way. */
  #continuing = false;
  #whenEnded: (() => void)[] = [];
  #ended = false;
  #isDraining = false;
  #isBaseClosed = false;
  /** Of the drain under way. */
  #failures = 0;

  constructor(base: EventBase, endpoint: Endpoint, options: ResolvedClientOptions, transcoder: Transcoder) {
    this.#base = base;
    this.node = endpoint.name;
    this.#options = options;
    this.transcoder = transcoder;
    this.topology = new TopologyMonitor([endpoint.name]);
    this.#completions = new Completions(transcoder);
    this.#native = base.createClient(
      {
        connectTimeout: options.connectTimeout,
        backoffMin: options.backoff.min,
        backoffMax: options.backoff.max,
        silenceLimit: options.silenceTimeout,
        waitsOffline: options.offlineQueue,
        maxWritten: options.maxInFlight,
        maxOperations: options.maxInFlight + options.maxQueued,
        maxQueuedBytes: options.maxQueuedBytes,
        maxValue: options.maxValueSize,
      },
      this.#parameters,
      this.#completions.records,
      () => this.#drain(),
      this.#onBaseClosed,
    );
    this.#parameters[layout.PARAM_TIMEOUT] = options.timeout;
    this.#connector = new Connector(endpoint, this.#native, options, this.topology);
  }

  now(): number {
    return dateNow();
  }

  get timeout(): number {
    return this.#options.timeout;
  }

  async ready(): Promise<void> {
    if (this.#closed) throw this.#closedError();
    this.#base.ref();
    try {
      await this.#connector.ready();
    } finally {
      this.#base.unref();
    }
  }

  dispatch<T>(operation: Operation): Promise<T> {
    const refused = this.#submit(operation);
    if (refused === undefined) return operation.promise<T>();
    if (!(refused instanceof BackpressureError)) throw refused;
    return Promise.reject(refused);
  }

  dispatchMany<T>(many: GetMany<T>): Promise<Map<string, T>> {
    try {
      many.start(this);
    } catch (error) {
      if (!(error instanceof BackpressureError)) throw error;
      return Promise.reject(error);
    }
    return many.promise;
  }

  available(): number {
    return this.#native.available();
  }

  fits(operations: number, bytes: number): boolean {
    return this.#native.fits(operations, bytes);
  }

  submit(operation: Operation): void {
    const refused = this.#submit(operation);
    if (refused !== undefined) throw refused;
  }

  check(key: string, value: string | Uint8Array | undefined): number {
    if (this.#closed) throw this.#closedError();
    const bytes = value === undefined ? this.#native.check(key) : this.#native.check(key, value);
    if (bytes < 0) throw refusalError(bytes, undefined, this.node, this.#options);
    return bytes;
  }

  cancel(operation: Operation): void {
    const { slot } = operation;
    if (slot < 0 || this.#pending[slot] !== operation) return;
    this.#pending[slot] = undefined;
    operation.slot = -1;
    operation.stopListening?.();
    this.#native.cancel(slot);
    this.#finishOne();
  }

  wait(waiting: Waiting): void {
    this.#waiting.add(waiting);
  }

  stopWaiting(waiting: Waiting): void {
    if (this.#waiting.delete(waiting)) this.#checkIdle();
  }

  flush(): void {
    this.#native.flush(layout.FLUSH_ALL);
  }

  /** The end of the tick sends it as one run. */
  together(start: () => void): void {
    start();
  }

  version(): string | undefined {
    return this.#connector.version;
  }

  refuse(): void {
    this.#closed = true;
  }

  close(drainTimeout: number): Promise<void> {
    this.#closing ??= this.#close(drainTimeout);
    return this.#closing;
  }

  async #close(drainTimeout: number): Promise<void> {
    this.#closed = true;
    if (this.#ended) return;
    this.#base.ref();
    if (this.#flushScheduled || !this.#options.implicitFlush) this.#native.flush(layout.FLUSH_ALL);
    this.#connector.refuse(this.#closedError());
    if (!this.#isIdle()) await this.#drained(drainTimeout);
    if (!this.#ended) {
      const ended = new Promise<void>((resolve) => this.#whenEnded.push(resolve));
      this.#native.close();
      await ended;
    }
    this.#base.release(this.#onBaseClosed);
    this.#base.unref();
  }

  /** Resolves when nothing is under way any more, or after the timeout. */
  #drained(timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout);
      this.#whenIdle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #submit(operation: Operation): EvenkeelError | undefined {
    const { details: detail, value } = operation;
    if (this.#closed && !this.#continuing) return this.#closedError();
    if (detail !== undefined) {
      if (detail.signal !== undefined && !this.#listen(operation, detail.signal)) return undefined;
      this.#setParameters(operation, detail);
    }
    const code = CODES[operation.kind] as number;
    let slot: number;
    if (value === undefined) {
      slot = this.#native.submit(code, operation.key);
    } else {
      this.#parameters[layout.PARAM_FLAGS] = operation.flags;
      const form = typeof value === 'string' ? layout.CODE_STRING_VALUE : 0;
      slot = this.#native.submitValue(code | form, operation.key, value);
    }
    if (detail !== undefined) this.#resetParameters();
    if (slot < 0) {
      operation.stopListening?.();
      return refusalError(slot, nameOf(operation.kind), this.node, this.#options);
    }
    if (isExtension(operation.kind)) this.#mayExtendAgain(operation);
    operation.slot = slot;
    operation.attempts += 1;
    this.#pending[slot] = operation;
    this.#underWay += 1;
    if (!this.#flushScheduled) this.#scheduleFlush();
    return undefined;
  }

  #scheduleFlush(): void {
    this.#flushScheduled = true;
    nextTick(flushAtEndOfTick, this);
    this.#flushWatch ??= this.#base.timer(FLUSH_OVERDUE_MS, this.#onFlushWatch);
  }

  /** A nextTick that was somebody's fake when this package was loaded may never call back. */
  readonly #onFlushWatch = (): void => {
    this.#flushWatch = undefined;
    if (this.#flushScheduled) this.flushTick();
  };

  /** Called once at the end of each tick in which something was submitted. */
  flushTick(): void {
    this.#flushScheduled = false;
    const write = this.#options.implicitFlush || this.#closed;
    if (!this.#ended) this.#native.flush(write ? layout.FLUSH_ALL : layout.FLUSH_HOLD);
  }

  #mayExtendAgain(operation: Operation): void {
    this.#extending.set(operation, performanceNow());
    const { value, attempts } = operation;
    // The caller may use its memory again as soon as the call has returned, unless it is large.
    if (attempts === 0 && typeof value === 'object' && value.length <= layout.LARGE_VALUE)
      operation.value = Buffer.from(value);
  }

  #setParameters(operation: Operation, detail: Details): void {
    const p = this.#parameters;
    p[layout.PARAM_TIMEOUT] = detail.timeout ?? this.#options.timeout;
    p[layout.PARAM_DEADLINE_HIGH] = detail.deadlineHigh;
    p[layout.PARAM_DEADLINE_LOW] = detail.deadlineLow;
    p[layout.PARAM_EXPIRY] = detail.expiry;
    p[layout.PARAM_CAS_HIGH] = detail.casHigh;
    p[layout.PARAM_CAS_LOW] = detail.casLow;
    if (isCounter(operation.kind)) {
      p[layout.PARAM_DELTA_HIGH] = Number(detail.delta >> 32n);
      p[layout.PARAM_DELTA_LOW] = Number(detail.delta & 0xffffffffn);
      p[layout.PARAM_INITIAL_HIGH] = Number(detail.initial >> 32n);
      p[layout.PARAM_INITIAL_LOW] = Number(detail.initial & 0xffffffffn);
    }
  }

  #resetParameters(): void {
    const p = this.#parameters;
    p[layout.PARAM_TIMEOUT] = this.#options.timeout;
    p[layout.PARAM_DEADLINE_HIGH] = 0;
    p[layout.PARAM_DEADLINE_LOW] = 0;
    p[layout.PARAM_EXPIRY] = 0;
    p[layout.PARAM_CAS_HIGH] = 0;
    p[layout.PARAM_CAS_LOW] = 0;
  }

  /** False when the signal has aborted: nothing is to be sent. The outcome comes like every other, after the call. */
  #listen(operation: Operation, signal: AbortSignal): boolean {
    if (signal.aborted) {
      queueMicrotask(() => operation.fail(reasonOf(signal)));
      return false;
    }
    const stop = onAbort(signal, (reason) => {
      this.cancel(operation);
      operation.fail(reason);
    });
    operation.stopListening = () => {
      operation.stopListening = undefined;
      stop();
    };
    return true;
  }

  /** Whether there may be more, for another turn of the loop. */
  #drain(): boolean {
    // A transcoder that closes the event base comes here again, while the records of the drain under way are being read.
    if (this.#isDraining) return false;
    this.#isDraining = true;
    this.#failures = 0;
    try {
      for (let count = 1; count > 0; ) {
        count = this.#completions.take(this.#native);
        this.#settleTaken(count);
        if (this.#failures >= FAILURES_A_TURN && !this.#isBaseClosed) return true;
      }
    } finally {
      this.#isDraining = false;
    }
    if (this.#isBaseClosed) {
      this.#endWithBase();
      return false;
    }
    // Only here is the room of what has ended free again: native code takes slots back with the next take.
    if (this.#lost.length > 0) this.#retryLost();
    if (this.#waiting.size > 0) this.#proceed();
    return false;
  }

  #settleTaken(count: number): void {
    const { records } = this.#completions;
    for (let i = 0, at = 0; i < count; i += 1, at += layout.RECORD_WORDS) {
      const slot = records[at] as number;
      const outcome = records[at + layout.RECORD_OUTCOME] as number;
      if (slot === layout.CONTROL_SLOT) {
        this.#onControl(outcome & layout.OUTCOME_MASK, at);
        continue;
      }
      const operation = this.#pending[slot];
      if (operation === undefined || (outcome & layout.OUTCOME_MASK) === layout.OUTCOME_RELEASED) continue;
      this.#pending[slot] = undefined;
      operation.slot = -1;
      this.#settle(operation, outcome, at);
      this.#finishOne();
    }
  }

  #proceed(): void {
    this.#continuing = true;
    for (const waiting of this.#waiting) {
      waiting.proceed();
      this.#flushContinued();
    }
    this.#continuing = false;
  }

  #settle(operation: Operation, outcome: number, at: number): void {
    if ((outcome & layout.OUTCOME_MASK) !== layout.OUTCOME_ANSWERED) {
      this.#settleUnanswered(operation, outcome, at);
      return;
    }
    const status = outcome >>> layout.OUTCOME_STATUS_SHIFT;
    if (status === Status.success) {
      let result: unknown;
      try {
        result = readAnswer(operation, this.#completions, this.#native, at);
      } catch (error) {
        operation.fail(this.#complete(error, operation));
        return;
      }
      operation.succeed(result);
      return;
    }
    this.#settleWithoutSuccess(operation, status, at);
  }

  // Apart from #settle, which would be too long for V8 to inline.
  #settleWithoutSuccess(operation: Operation, status: number, at: number): void {
    const miss = status === Status.keyNotFound ? missOf(operation.kind) : undefined;
    if (miss !== undefined) {
      operation.succeed(miss.value);
      return;
    }
    if (status === Status.notStored && isExtension(operation.kind)) {
      const again = operation.attempts === 1 ? () => this.#extendAgain(operation) : undefined;
      const context = this.#contextOf(operation, status);
      this.#lost.push(lookForRecord(operation, this.#timeLeft(operation), context, again));
      return;
    }
    this.#failures += 1;
    const text = this.#completions.text(at);
    operation.fail(
      withoutStack(() => statusError(operation, status, text, this.#contextOf(operation, status))),
    );
  }

  #extendAgain(operation: Operation): void {
    operation.stopListening?.();
    operation.details = { ...(operation.details ?? details()), timeout: this.#timeLeft(operation) };
    this.#lost.push(operation);
  }

  #timeLeft(operation: Operation): number {
    const timeout = operation.details?.timeout ?? this.#options.timeout;
    const passed = performanceNow() - (this.#extending.get(operation) ?? 0);
    return Math.max(1, Math.round(timeout - passed));
  }

  #settleUnanswered(operation: Operation, outcome: number, at: number): void {
    const { records } = this.#completions;
    const before = operation.details;
    const blamed = (before?.blamed ?? 0) + (outcome & layout.OUTCOME_BLAMED_BIT ? 1 : 0);
    const cause = records[at + layout.RECORD_DETAIL] as number;
    const unanswered = {
      outcome: outcome & layout.OUTCOME_MASK,
      written: (outcome & layout.OUTCOME_WRITTEN_BIT) !== 0,
      idempotent: isIdempotent(operation.kind),
      cause,
      announced: records[at + layout.RECORD_FLAGS] as number,
      maxValueSize: this.#options.maxValueSize,
      blamed,
      lostTo: before?.lostTo,
      late: records[at + layout.RECORD_LATE] !== 0,
      fault: this.#connector.lastFault,
      closed: this.#closed ? this.#closedWhat : undefined,
    };
    const error = withoutStack(() =>
      unansweredError(unanswered, nameOf(operation.kind), this.#contextOf(operation)),
    );
    if (error !== undefined) {
      this.#failures += 1;
      operation.fail(error);
      return;
    }
    operation.stopListening?.();
    operation.details = {
      ...(before ?? details()),
      deadlineHigh: records[at + layout.RECORD_DEADLINE_HIGH] as number,
      deadlineLow: records[at + layout.RECORD_DEADLINE_LOW] as number,
      blamed,
      lostTo: causeError(cause),
    };
    this.#lost.push(operation);
  }

  /** Hands in again what was lost, under its old deadline; it waits for the next connection like any other. */
  #retryLost(): void {
    const lost = this.#lost;
    this.#lost = [];
    this.#continuing = true;
    for (const operation of lost) {
      try {
        this.submit(operation);
      } catch (error) {
        operation.fail(error);
      }
    }
    this.#continuing = false;
    this.#flushContinued();
    this.#checkIdle();
  }

  /** What was lost after a flush, and the rest of a getMany, needs no flush() of the user's. */
  #flushContinued(): void {
    if (!this.#options.implicitFlush) this.#native.flush(layout.FLUSH_STAGED);
  }

  #onControl(outcome: number, at: number): void {
    if (outcome === layout.OUTCOME_CONNECTED) {
      this.#connector.connected(this.#completions.text(at));
    } else if (outcome === layout.OUTCOME_DISCONNECTED) {
      const cause = this.#completions.records[at + layout.RECORD_DETAIL] as number;
      this.#connector.disconnected(cause, this.#completions.bytes(this.#native, at));
    } else if (outcome === layout.OUTCOME_ENDED) {
      this.#end();
    }
  }

  /** The base went away underneath; what it knew of its operations is there to be taken, and nothing more will come. */
  readonly #onBaseClosed = (): void => {
    this.#closed = true;
    this.#closedWhat = 'its event base';
    this.#isBaseClosed = true;
    this.#connector.refuse(this.#closedError());
    this.#drain();
  };

  #endWithBase(): void {
    for (const operation of this.#lost.splice(0)) this.#failWithBase(operation);
    for (const [slot, operation] of this.#pending.entries()) {
      if (operation === undefined) continue;
      // The base has never seen it.
      this.#pending[slot] = undefined;
      operation.slot = -1;
      this.#failWithBase(operation);
      this.#finishOne();
    }
    this.#end();
  }

  #failWithBase(operation: Operation): void {
    const message = `${nameOf(operation.kind)}: ${this.#closedWhat} was closed`;
    operation.fail(new ClosedError(message, { context: this.#contextOf(operation) }));
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#connector.stop();
    this.#flushWatch?.cancel();
    for (const waiting of this.#waiting) waiting.discard(this.#closedError());
    for (const resolve of this.#whenEnded.splice(0)) resolve();
  }

  #finishOne(): void {
    this.#underWay -= 1;
    this.#checkIdle();
  }

  #closedError(): ClosedError {
    return closedError(this.node, this.#isBaseClosed ? 'the event base' : 'the database');
  }

  #isIdle(): boolean {
    return this.#underWay === 0 && this.#lost.length === 0 && this.#waiting.size === 0;
  }

  #checkIdle(): void {
    if (this.#whenIdle.length === 0 || !this.#isIdle()) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** Errors of ours that were made where the operation was not known learn of it; a transcoder's stay as they are. */
  #complete(error: unknown, operation: Operation): unknown {
    const isForeign = this.transcoder !== commonFlagsTranscoder && !isCounter(operation.kind);
    if (isForeign || !(error instanceof EvenkeelError)) return error;
    return Object.assign(error, { context: { ...this.#contextOf(operation), ...error.context } });
  }

  #contextOf({ kind, key, attempts }: Operation, status?: number): ErrorContext {
    const op = nameOf(kind);
    const { node } = this;
    return status === undefined ? { op, key, node, attempts } : { op, key, node, attempts, status };
  }
}

const isExtension = (kind: Kind): boolean => kind === Kind.append || kind === Kind.prepend;

const isCounter = (kind: Kind): boolean => kind === Kind.increment || kind === Kind.decrement;

/** ms after which what was submitted is sent although nobody has said that the tick is over. */
const FLUSH_OVERDUE_MS = 100;

/** Operations that fail do so in crowds, and each costs as much as two others: the loop turns in between. */
const FAILURES_A_TURN = 256;

const flushAtEndOfTick = (transport: MemcachedTransport): void => transport.flushTick();
