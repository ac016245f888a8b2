import { EvenkeelError, TimeoutError } from '../../errors';
import type { Timers } from '../../event-base/event-base';
import { performanceNow, queueMicrotask } from '../../platform';
import { withoutStack } from '../../stacks';
import { onAbort, reasonOf } from '../../transactions/abort';
import type { Waiting } from '../../transactions/compound';
import { details, nameOf, type Operation } from '../../transactions/operation';
import type { Wait } from './extension';
import { Lines, lineOf, type Parked } from './lines';

/** Where operations are submitted. */
export interface ParkingSite {
  submit(operation: Operation): void;
  wait(waiting: Waiting): void;
  stopWaiting(waiting: Waiting): void;
  /** `isHeld`: what is submitted waits for a flush() of the user. */
  resume<R>(start: () => R, isHeld: boolean): R;
  keepAlive(doesSo: boolean): void;
  /**
   * Counts an operation in the limits of the client, which one that was accepted before may exceed. Returns its bytes, or a
   * REFUSED_… code.
   */
  setAside(operation: Operation, isAccepted: boolean): number;
  giveBack(bytes: number): void;
}

/**
 * Operations that wait for something before they are submitted, or submitted again, within their deadlines. Those of one
 * key leave in the order of their calls. They keep the process alive.
 */
export class Parking implements Waiting {
  readonly #site: ParkingSite;
  readonly #timers: Timers;
  readonly #parked = new Map<Operation, Parked>();
  readonly #lines = new Lines();
  #isHolding = false;

  constructor(site: ParkingSite, timers: Timers) {
    this.#site = site;
    this.#timers = timers;
  }

  get size(): number {
    return this.#parked.size;
  }

  /** `isHeld`: it waits for a flush() of the user as well. Returns the REFUSED_… code of one that is not accepted, or 0. */
  park(operation: Operation, wait: Wait, isHeld = false): number {
    const { course, attempts } = operation;
    const bytes = this.#site.setAside(operation, attempts > 0 || course?.isAccepted === true);
    if (bytes < 0) return bytes;
    if (course !== undefined) course.isAccepted = true;
    const timer = this.#timers.timer(Math.max(1, timeLeft(operation)), () =>
      this.#fail(parked, this.#lateError(parked)),
    );
    const parked: Parked = {
      operation,
      wait,
      line: lineOf(operation),
      bytes,
      timer,
      stopListening: undefined,
      isReady: false,
      isHeld,
      earlier: undefined,
      later: undefined,
    };
    this.#parked.set(operation, parked);
    this.#lines.add(parked);
    this.#hold();
    const signal = operation.details?.signal;
    if (signal !== undefined) parked.stopListening = onAbort(signal, (reason) => this.#fail(parked, reason));
    if (signal?.aborted) queueMicrotask(() => this.#fail(parked, reasonOf(signal)));
    wait.until.then(
      () => this.#ready(parked),
      (error) => this.#fail(parked, error),
    );
    return 0;
  }

  /** Whether an earlier operation of its key is parked, so that it has to be parked behind that. */
  holdsBack(operation: Operation): boolean {
    return this.#parked.size > 0 && this.#lines.obstacleTo(operation) !== undefined;
  }

  /** The user has called flush(). */
  flushed(): void {
    for (const parked of this.#parked.values()) parked.isHeld = false;
  }

  /** It is no longer wanted. */
  cancel(operation: Operation): void {
    const parked = this.#parked.get(operation);
    if (parked !== undefined) this.#end(parked, () => {});
  }

  proceed(): void {
    // Room for more is not what they wait for.
  }

  giveUp(error: unknown): void {
    const all = [...this.#parked.values()];
    for (const parked of all) this.#take(parked);
    for (const { operation } of all) operation.fail(error);
    this.#letGoIfEmpty();
  }

  #ready(parked: Parked): void {
    if (!this.#isParked(parked)) return;
    parked.isReady = true;
    if (parked.line === undefined) this.#end(parked, () => this.#submit(parked));
    else this.#advance(parked.line);
    this.#letGoIfEmpty();
  }

  #fail(parked: Parked, error: unknown): void {
    this.#end(parked, () => parked.operation.fail(error));
  }

  /** `last` is called before the client may take itself for idle; not if the operation has gone on already. */
  #end(parked: Parked, last: () => void): void {
    if (!this.#take(parked)) return;
    last();
    if (parked.line !== undefined) this.#advance(parked.line);
    this.#letGoIfEmpty();
  }

  /** Submits those of the line that may be, one after the other. */
  #advance(line: string): void {
    for (let next = this.#lines.next(line); next !== undefined; next = this.#lines.next(line)) {
      this.#take(next);
      this.#submit(next);
    }
  }

  #submit(parked: Parked): void {
    const { operation, isHeld } = parked;
    const left = timeLeft(operation);
    if (left <= 0) {
      operation.fail(this.#lateError(parked));
      return;
    }
    operation.details = { ...(operation.details ?? details()), timeout: left };
    try {
      this.#site.resume(() => this.#site.submit(operation), isHeld);
    } catch (error) {
      operation.fail(error);
    }
  }

  #isParked(parked: Parked): boolean {
    return this.#parked.get(parked.operation) === parked;
  }

  /** Whether it was still there. */
  #take(parked: Parked): boolean {
    if (!this.#isParked(parked)) return false;
    this.#parked.delete(parked.operation);
    this.#lines.remove(parked);
    this.#site.giveBack(parked.bytes);
    parked.timer.cancel();
    parked.stopListening?.();
    return true;
  }

  #lateError({ operation, wait }: Parked): TimeoutError {
    return lateError(operation, wait.why() ?? this.#lines.obstacleTo(operation)?.wait.why());
  }

  #hold(): void {
    if (this.#isHolding) return;
    this.#isHolding = true;
    this.#site.keepAlive(true);
    this.#site.wait(this);
  }

  #letGoIfEmpty(): void {
    if (!this.#isHolding || this.#parked.size > 0) return;
    this.#isHolding = false;
    this.#site.keepAlive(false);
    this.#site.stopWaiting(this);
  }
}

/** ms. */
const timeLeft = ({ course }: Operation): number => Math.ceil((course?.deadline ?? 0) - performanceNow());

/** The error of an operation that was certainly not executed before its deadline. */
export function lateError(operation: Operation, cause: Error | undefined): TimeoutError {
  const { kind, key, attempts } = operation;
  const op = nameOf(kind);
  const why = cause === undefined ? 'it could not be sent' : cause.message.replace(`${op}: `, '');
  const context = { ...(cause instanceof EvenkeelError ? cause.context : {}), op, key, attempts };
  const message = `${op}: not done within its deadline: ${why}`;
  return withoutStack(() => new TimeoutError(message, { cause, context }));
}
