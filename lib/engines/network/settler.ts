import { type ErrorContext, EvenkeelError, ServerError, TimeoutError } from '../../errors';
import { copyOf, lengthOf } from '../../foreign';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import type { SlowOperations } from '../../observability/slow-operations';
import { performanceNow } from '../../platform';
import { withoutStack } from '../../stacks';
import { type Details, details, isCounter, nameOf, type Operation } from '../../transactions/operation';
import type { ClusterView } from './cluster-view';
import type { Completions } from './completions';
import { type Dialect, SUCCESS } from './dialect';
import { Failing, type Failure } from './failing';
import type { GivenBack } from './given-back';
import type { ResolvedClientOptions } from './options';
import { lateError, type Parking } from './parking';
import { isAnother, type Unanswered, unansweredError } from './unanswered';

/** Ends operations as their completion records say, or has them submitted again. */
export class Settler {
  /** How many operations were rejected in this drain. */
  errors = 0;
  /** Those that nobody answered, to be rejected behind the ones that were answered. */
  readonly failing = new Failing((failure) => this.#reject(failure));
  /** What was closed, when nothing new is started any more. */
  closed: string | undefined;
  readonly #dialect: Dialect;
  readonly #cluster: ClusterView;
  readonly #native: NativeClient;
  readonly #completions: Completions;
  readonly #options: ResolvedClientOptions;
  readonly #slow: SlowOperations | undefined;
  readonly #parking: Parking;
  readonly #givenBack: GivenBack;
  /** When operations that may be looked after were handed in. */
  readonly #since = new WeakMap<Operation, number>();
  /** Those whose values are copies of their own. */
  readonly #kept = new WeakSet<Operation>();

  constructor(
    dialect: Dialect,
    cluster: ClusterView,
    native: NativeClient,
    completions: Completions,
    options: ResolvedClientOptions,
    slow: SlowOperations | undefined,
    parking: Parking,
    givenBack: GivenBack,
  ) {
    this.#dialect = dialect;
    this.#cluster = cluster;
    this.#native = native;
    this.#completions = completions;
    this.#options = options;
    this.#slow = slow;
    this.#parking = parking;
    this.#givenBack = givenBack;
  }

  /** It is being handed in, and the dialect may look after it. */
  keep(operation: Operation): void {
    if (operation.attempts === 0) this.#since.set(operation, performanceNow());
    this.keepValue(operation);
  }

  /** It may have to be handed in again. The caller may use its memory again as soon as the call has returned, unless it is large. */
  keepValue(operation: Operation): void {
    const { value, attempts } = operation;
    if (attempts > 0 || this.#kept.has(operation) || !isSmall(value)) return;
    operation.value = copyOf(value);
    this.#kept.add(operation);
  }

  /** For those that look, before it is settled. What is lost may be made again, and is one operation then. */
  note(operation: Operation, outcome: number, at: number): void {
    const { trace } = operation;
    // A subscriber may have frozen it.
    if (trace !== undefined)
      Reflect.set(trace, 'node', this.#cluster.nameOf(this.#completions.connection(at)));
    if ((outcome & layout.OUTCOME_MASK) !== layout.OUTCOME_LOST) this.#noteSlow(operation, outcome, at);
  }

  #noteSlow({ kind, key, attempts }: Operation, outcome: number, at: number): void {
    if ((outcome & layout.OUTCOME_SLOW_BIT) === 0) return;
    this.#slow?.note({
      op: nameOf(kind),
      key,
      node: this.#cluster.nameOf(this.#completions.connection(at)),
      attempts,
      ...this.#completions.times(at),
      isAnswered: (outcome & layout.OUTCOME_MASK) === layout.OUTCOME_ANSWERED,
    });
  }

  /** A part of the operation's answer. False: it is ended, because that is too much. */
  addItem(operation: Operation, at: number): boolean {
    const { name, text } = this.#completions.item(at);
    const bytes = operation.collector?.addItem?.(operation, name, text) ?? 0;
    if (bytes <= this.#options.maxValueSize) return true;
    const message = `${nameOf(operation.kind)}: the answer is larger than maxValueSize allows`;
    const context = this.#contextOf(operation, at);
    operation.fail(withoutStack(() => new ServerError(message, { context })));
    return false;
  }

  /** `outcome`: the word of the record; `at`: the record. */
  settle(operation: Operation, outcome: number, at: number): void {
    if ((outcome & layout.OUTCOME_MASK) !== layout.OUTCOME_ANSWERED) {
      this.#settleUnanswered(operation, outcome, at);
      return;
    }
    const status = outcome >>> layout.OUTCOME_STATUS_SHIFT;
    if (status !== SUCCESS) {
      this.#settleStatus(operation, status, at);
      return;
    }
    this.#read(operation, at);
  }

  #read(operation: Operation, at: number): void {
    let result: unknown;
    try {
      result = this.#dialect.read(operation, this.#completions, this.#native, at);
    } catch (error) {
      operation.fail(this.#complete(error, operation, at));
      return;
    }
    operation.succeed(result);
  }

  // Apart from settle(), which would be too long for V8 to inline.
  #settleStatus(operation: Operation, status: number, at: number): void {
    const dialect = this.#dialect;
    if (dialect.extension?.isSuccess(operation.kind, status)) {
      this.#read(operation, at);
      return;
    }
    const result = dialect.resultOf(operation.kind, status);
    if (result !== undefined) {
      operation.succeed(result.value);
      return;
    }
    const look = dialect.mayBeLookedAfter(operation.kind)
      ? this.#lookAfter(operation, status, at)
      : undefined;
    if (look !== undefined) {
      this.#givenBack.addLost(look);
      return;
    }
    const counts = this.#cluster.countsOf(this.#completions.connection(at));
    const text = this.#completions.text(at);
    const context = this.#contextOf(operation, at, status);
    const body = (): Buffer => this.#completions.bytes(this.#native, at);
    const errorWith = (said: () => Buffer): EvenkeelError =>
      withoutStack(() => dialect.errorOf(operation, status, text, context, said));
    const retry = dialect.extension?.retry(operation, status, body);
    if (typeof retry === 'object') {
      counts.retries += 1;
      operation.stopListening?.();
      // Usually nobody asks; and by then the body is gone, without which the errors of what is retried do.
      this.#parking.park(operation, { ...retry, why: () => errorWith(NOTHING) });
      return;
    }
    this.errors += 1;
    counts.errors += 1;
    const error = errorWith(body);
    operation.fail(retry === 'late' ? lateError(operation, error) : error);
  }

  #lookAfter(operation: Operation, status: number, at: number): Operation | undefined {
    return this.#dialect.lookAfter(operation, status, {
      timeout: this.#timeLeft(operation),
      context: this.#contextOf(operation, at, status),
      again: operation.attempts === 1 ? () => this.#handInAgain(operation) : undefined,
    });
  }

  #handInAgain(operation: Operation): void {
    operation.stopListening?.();
    operation.details = { ...(operation.details ?? details()), timeout: this.#timeLeft(operation) };
    this.#since.set(operation, performanceNow());
    this.#givenBack.addLost(operation);
  }

  #timeLeft(operation: Operation): number {
    const timeout = operation.details?.timeout ?? this.#options.timeout;
    const passed = performanceNow() - (this.#since.get(operation) ?? 0);
    return Math.max(1, Math.round(timeout - passed));
  }

  #settleUnanswered(operation: Operation, outcome: number, at: number): void {
    const { records } = this.#completions;
    const connection = this.#completions.connection(at);
    const failure: Failure = {
      operation,
      outcome,
      cause: records[at + layout.RECORD_DETAIL] as number,
      announced: records[at + layout.RECORD_FLAGS] as number,
      late: records[at + layout.RECORD_LATE] !== 0,
      node: this.#cluster.nameOf(connection),
      counts: this.#cluster.countsOf(connection),
      fault: this.#cluster.faultOf(connection),
    };
    const kind = outcome & layout.OUTCOME_MASK;
    if (kind === layout.OUTCOME_LOST && this.#isSubmittedAgain(failure, at)) return;
    if (kind === layout.OUTCOME_LOST) this.#noteSlow(operation, outcome, at);
    if (kind !== layout.OUTCOME_CLOSED) {
      this.failing.add(failure);
      return;
    }
    // Nobody is answered any more.
    this.errors += 1;
    this.#reject(failure);
  }

  #reject(failure: Failure): void {
    const { operation, node, counts } = failure;
    const error = withoutStack(() =>
      unansweredError(this.#unanswered(failure), nameOf(operation.kind), contextOf(operation, node)),
    );
    if (error instanceof TimeoutError) counts.timeouts += 1;
    else counts.errors += 1;
    operation.fail(error);
  }

  #unanswered({ operation, outcome, cause, announced, late, fault }: Failure): Unanswered {
    const isBlamed = (outcome & layout.OUTCOME_BLAMED_BIT) !== 0;
    return {
      outcome: outcome & layout.OUTCOME_MASK,
      written: (outcome & layout.OUTCOME_WRITTEN_BIT) !== 0,
      idempotent: this.#dialect.isIdempotent(operation.kind),
      cause,
      announced,
      maxValueSize: this.#options.maxValueSize,
      blamed: (operation.details?.blamed ?? 0) + (isBlamed ? 1 : 0),
      lostTo: operation.details?.lostTo ?? 0,
      late,
      fault,
      closed: this.closed,
    };
  }

  /** Of an operation that is lost: under its old deadline. */
  #isSubmittedAgain(failure: Failure, at: number): boolean {
    const { operation, cause, late, counts } = failure;
    const isWhole = !isSmall(operation.value) || this.#kept.has(operation);
    if (cause === layout.CAUSE_OTHER_PROTOCOL && isWhole && !late) {
      operation.attempts -= 1; // nobody had it
      this.#keepDeadline(operation, at);
      const server = this.#cluster.serverOf(this.#completions.connection(at));
      if (server === undefined) this.#givenBack.addLost(operation);
      else this.#givenBack.addReturned(operation, server, failure.announced === 1);
      return true;
    }
    const unanswered = this.#unanswered(failure);
    if (!isAnother(unanswered)) return false;
    counts.retries += 1;
    const before = this.#keepDeadline(operation, at);
    before.blamed = unanswered.blamed;
    before.lostTo = cause;
    this.#givenBack.addLost(operation);
    return true;
  }

  #keepDeadline(operation: Operation, at: number): Details {
    const { records } = this.#completions;
    operation.stopListening?.();
    operation.details = {
      ...(operation.details ?? details()),
      deadlineHigh: records[at + layout.RECORD_DEADLINE_HIGH] as number,
      deadlineLow: records[at + layout.RECORD_DEADLINE_LOW] as number,
      started: records[at + layout.RECORD_STARTED] as number,
    };
    return operation.details;
  }

  /** Errors of ours that were made where the operation was not known learn of it; a transcoder's stay as they are. */
  #complete(error: unknown, operation: Operation, at: number): unknown {
    const isForeign = !this.#completions.isDefault && !isCounter(operation.kind);
    if (isForeign || !(error instanceof EvenkeelError)) return error;
    return Object.assign(error, { context: { ...this.#contextOf(operation, at), ...error.context } });
  }

  #contextOf(operation: Operation, at: number, status?: number): ErrorContext {
    return contextOf(operation, this.#cluster.nameOf(this.#completions.connection(at)), status);
  }
}

const NOTHING = (): Buffer => Buffer.alloc(0);

/** Of a value whose memory is the caller's once the call has returned. */
const isSmall = (value: Operation['value']): value is Uint8Array =>
  typeof value === 'object' && lengthOf(value) <= layout.LARGE_VALUE;

export function contextOf(
  { kind, key: given, attempts, details: detail }: Operation,
  node: string | undefined,
  status?: number,
): ErrorContext {
  const op = nameOf(kind);
  const key = detail?.server === undefined ? given : undefined;
  return status === undefined ? { op, key, node, attempts } : { op, key, node, attempts, status };
}
