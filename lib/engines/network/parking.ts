import type { Timers } from '../../cluster/resolver';
import { type EvenkeelError, TimeoutError } from '../../errors';
import type { Registration } from '../../event-base/event-base';
import { performanceNow } from '../../platform';
import { onAbort, reasonOf } from '../../transactions/abort';
import type { Waiting } from '../../transactions/compound';
import { details, nameOf, type Operation } from '../../transactions/operation';

/** Where operations are submitted. */
export interface ParkingSite {
  submit(operation: Operation): void;
  wait(waiting: Waiting): void;
  stopWaiting(waiting: Waiting): void;
  resume<R>(start: () => R): R;
}

/** Operations that wait for something before they are submitted or resubmitted, within their deadlines. */
export class Parking {
  readonly #site: ParkingSite;
  readonly #timers: Timers;
  readonly #parked = new Map<Operation, Parked>();

  constructor(site: ParkingSite, timers: Timers) {
    this.#site = site;
    this.#timers = timers;
  }

  /** `cause` is why it was not executed before. */
  park(operation: Operation, until: Promise<unknown>, cause: EvenkeelError | undefined): void {
    const parked = new Parked(operation, until, cause, this.#site, this.#timers, () =>
      this.#parked.delete(operation),
    );
    this.#parked.set(operation, parked);
    parked.begin();
  }

  /** Cancels an operation that is no longer wanted. */
  cancel(operation: Operation): void {
    this.#parked.get(operation)?.cancel();
  }
}

class Parked implements Waiting {
  readonly #operation: Operation;
  readonly #until: Promise<unknown>;
  readonly #cause: EvenkeelError | undefined;
  readonly #site: ParkingSite;
  readonly #timers: Timers;
  readonly #onEnd: () => void;
  #timer: Registration | undefined;
  #stopListening: (() => void) | undefined;
  #isOver = false;

  constructor(
    operation: Operation,
    until: Promise<unknown>,
    cause: EvenkeelError | undefined,
    site: ParkingSite,
    timers: Timers,
    onEnd: () => void,
  ) {
    this.#operation = operation;
    this.#until = until;
    this.#cause = cause;
    this.#site = site;
    this.#timers = timers;
    this.#onEnd = onEnd;
  }

  begin(): void {
    const signal = this.#operation.details?.signal;
    this.#site.wait(this);
    this.#timer = this.#timers.timer(this.#timeLeft(), () =>
      this.#fail(lateError(this.#operation, this.#cause)),
    );
    if (signal !== undefined) this.#stopListening = onAbort(signal, (reason) => this.#fail(reason));
    const until = signal?.aborted ? Promise.reject(reasonOf(signal)) : this.#until;
    until.then(
      () => this.#end(() => this.#handIn()),
      (error) => this.#fail(error),
    );
  }

  cancel(): void {
    this.#end(() => {});
  }

  proceed(): void {
    // It waits for no room in the client.
  }

  giveUp(error: unknown): void {
    this.#fail(error);
  }

  #handIn(): void {
    const operation = this.#operation;
    operation.details = { ...(operation.details ?? details()), timeout: this.#timeLeft() };
    try {
      this.#site.resume(() => this.#site.submit(operation));
    } catch (error) {
      operation.fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#end(() => this.#operation.fail(error));
  }

  /** `last` runs before the client can become idle. */
  #end(last: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.cancel();
    this.#stopListening?.();
    this.#onEnd();
    last();
    this.#site.stopWaiting(this);
  }

  #timeLeft(): number {
    const { course } = this.#operation;
    return Math.max(1, Math.ceil((course?.deadline ?? 0) - performanceNow()));
  }
}

/** The error of an operation that was certainly not executed before its deadline. */
export function lateError(operation: Operation, cause: EvenkeelError | undefined): TimeoutError {
  const { kind, key, attempts } = operation;
  const op = nameOf(kind);
  const why = cause === undefined ? 'it could not be sent' : cause.message.replace(`${op}: `, '');
  return new TimeoutError(`${op}: not done within its deadline: ${why}`, {
    cause,
    context: { ...cause?.context, op, key, attempts },
  });
}
