import { EvenkeelError, TimeoutError } from '../../errors';
import type { Registration, Timers } from '../../event-base/event-base';
import { performanceNow, queueMicrotask } from '../../platform';
import { onAbort, reasonOf } from '../../transactions/abort';
import type { Waiting } from '../../transactions/compound';
import { details, nameOf, type Operation } from '../../transactions/operation';
import type { Wait } from './extension';

/** Where operations are submitted. */
export interface ParkingSite {
  submit(operation: Operation): void;
  wait(waiting: Waiting): void;
  stopWaiting(waiting: Waiting): void;
  resume<R>(start: () => R): R;
  keepAlive(doesSo: boolean): void;
}

/**
 * Operations that wait for something before they are submitted, or submitted again, within their deadlines. They keep
 * the process alive.
 */
export class Parking implements Waiting {
  readonly #site: ParkingSite;
  readonly #timers: Timers;
  readonly #parked = new Map<Operation, Parked>();
  #isHolding = false;

  constructor(site: ParkingSite, timers: Timers) {
    this.#site = site;
    this.#timers = timers;
  }

  get size(): number {
    return this.#parked.size;
  }

  park(operation: Operation, wait: Wait): void {
    const left = timeLeft(operation);
    const timer = this.#timers.timer(left, () => this.#fail(operation, lateError(operation, wait.why())));
    const parked: Parked = { timer, stopListening: undefined };
    this.#parked.set(operation, parked);
    this.#hold();
    const signal = operation.details?.signal;
    if (signal !== undefined)
      parked.stopListening = onAbort(signal, (reason) => this.#fail(operation, reason));
    const fail = (error: unknown): void => this.#end(operation, parked, () => operation.fail(error));
    if (signal?.aborted) queueMicrotask(() => fail(reasonOf(signal)));
    wait.until.then(() => this.#end(operation, parked, () => this.#submit(operation)), fail);
  }

  /** It is no longer wanted. */
  cancel(operation: Operation): void {
    this.#end(operation, this.#parked.get(operation), () => {});
  }

  proceed(): void {
    // Room for more is not what they wait for.
  }

  giveUp(error: unknown): void {
    for (const operation of [...this.#parked.keys()]) this.#fail(operation, error);
  }

  #submit(operation: Operation): void {
    operation.details = { ...(operation.details ?? details()), timeout: timeLeft(operation) };
    try {
      this.#site.resume(() => this.#site.submit(operation));
    } catch (error) {
      operation.fail(error);
    }
  }

  #fail(operation: Operation, error: unknown): void {
    this.#end(operation, this.#parked.get(operation), () => operation.fail(error));
  }

  /** `last` is called before the client may take itself for idle; not if the operation has gone on already. */
  #end(operation: Operation, parked: Parked | undefined, last: () => void): void {
    if (parked === undefined || this.#parked.get(operation) !== parked) return;
    this.#parked.delete(operation);
    parked.timer.cancel();
    parked.stopListening?.();
    last();
    if (this.#parked.size === 0) this.#letGo();
  }

  #hold(): void {
    if (this.#isHolding) return;
    this.#isHolding = true;
    this.#site.keepAlive(true);
    this.#site.wait(this);
  }

  #letGo(): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.#site.keepAlive(false);
    this.#site.stopWaiting(this);
  }
}

interface Parked {
  readonly timer: Registration;
  stopListening: (() => void) | undefined;
}

const timeLeft = ({ course }: Operation): number =>
  Math.max(1, Math.ceil((course?.deadline ?? 0) - performanceNow()));

/** The error of an operation that was certainly not executed before its deadline. */
export function lateError(operation: Operation, cause: Error | undefined): TimeoutError {
  const { kind, key, attempts } = operation;
  const op = nameOf(kind);
  const why = cause === undefined ? 'it could not be sent' : cause.message.replace(`${op}: `, '');
  return new TimeoutError(`${op}: not done within its deadline: ${why}`, {
    cause,
    context: { ...(cause instanceof EvenkeelError ? cause.context : {}), op, key, attempts },
  });
}
