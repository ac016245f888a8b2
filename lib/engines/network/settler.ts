import { type ErrorContext, EvenkeelError, ServerError } from '../../errors';
import { copyOf, lengthOf } from '../../foreign';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import type { SlowOperations } from '../../observability/slow-operations';
import { performanceNow } from '../../platform';
import { withoutStack } from '../../stacks';
import { type Details, details, isCounter, nameOf, type Operation } from '../../transactions/operation';
import { causeError } from './causes';
import type { ClusterView } from './cluster-view';
import type { Completions } from './completions';
import type { Connector } from './connector';
import { type Dialect, SUCCESS } from './dialect';
import { Failing, fail } from './failing';
import type { ResolvedClientOptions } from './options';
import { lateError, type Parking } from './parking';
import { isAnother, unansweredError } from './unanswered';

/** What came back of a server unwritten, to be said to it in another protocol. */
export interface Returned {
  readonly ready: Operation[];
  /** They wait for a flush() of the user's. */
  readonly withheld: Operation[];
}

/** Ends operations as their completion records say, or has them handed in again. */
export class Settler {
  /** How many operations have failed at once. */
  failures = 0;
  /** Those that are to. */
  readonly failing = new Failing();
  /** What was closed, when nothing new is started any more. */
  closed: string | undefined;
  readonly #dialect: Dialect;
  readonly #cluster: ClusterView;
  readonly #native: NativeClient;
  readonly #completions: Completions;
  readonly #options: ResolvedClientOptions;
  readonly #slow: SlowOperations | undefined;
  readonly #parking: Parking;
  /** When operations that may be looked after were handed in. */
  readonly #since = new WeakMap<Operation, number>();
  /** Those whose values are copies of their own. */
  readonly #kept = new WeakSet<Operation>();
  #again: Operation[] = [];
  #returned = new Map<Connector, Returned>();

  constructor(
    dialect: Dialect,
    cluster: ClusterView,
    native: NativeClient,
    completions: Completions,
    options: ResolvedClientOptions,
    slow: SlowOperations | undefined,
    parking: Parking,
  ) {
    this.#dialect = dialect;
    this.#cluster = cluster;
    this.#native = native;
    this.#completions = completions;
    this.#options = options;
    this.#slow = slow;
    this.#parking = parking;
  }

  /** Whether there are operations to be handed in again. */
  get hasAgain(): boolean {
    return this.#again.length > 0 || this.#returned.size > 0;
  }

  /**
   * Reads whose connection broke, and operations that others depend on, at most so many: they are to be handed in, under their
   * old deadlines.
   */
  takeAgain(most = this.#again.length): Operation[] {
    return this.#again.splice(0, most);
  }

  /** Behind those: what came back unwritten, by server. */
  takeReturned(): ReadonlyMap<Connector, Returned> {
    const returned = this.#returned;
    this.#returned = new Map();
    return returned;
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

  /** Has it reported if it is slow. */
  noteSlow({ kind, key, attempts }: Operation, outcome: number, at: number): void {
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
      this.#again.push(look);
      return;
    }
    const counts = this.#cluster.countsOf(this.#completions.connection(at));
    const text = this.#completions.text(at);
    const context = this.#contextOf(operation, at, status);
    const body = (): Buffer => this.#completions.bytes(this.#native, at);
    const error = withoutStack(() => dialect.errorOf(operation, status, text, context, body));
    const retry = dialect.extension?.retry(operation, status, body);
    if (typeof retry === 'object') {
      counts.retries += 1;
      operation.stopListening?.();
      this.#parking.park(operation, retry.after, error);
      return;
    }
    this.failures += 1;
    counts.errors += 1;
    operation.fail(retry === 'late' ? withoutStack(() => lateError(operation, error)) : error);
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
    this.#again.push(operation);
  }

  #timeLeft(operation: Operation): number {
    const timeout = operation.details?.timeout ?? this.#options.timeout;
    const passed = performanceNow() - (this.#since.get(operation) ?? 0);
    return Math.max(1, Math.round(timeout - passed));
  }

  #settleUnanswered(operation: Operation, outcome: number, at: number): void {
    const { records } = this.#completions;
    const before = operation.details;
    const cause = records[at + layout.RECORD_DETAIL] as number;
    const wasReturned =
      cause === layout.CAUSE_OTHER_PROTOCOL && (outcome & layout.OUTCOME_MASK) === layout.OUTCOME_LOST;
    const isWhole = !isSmall(operation.value) || this.#kept.has(operation);
    if (wasReturned && isWhole && records[at + layout.RECORD_LATE] === 0) {
      operation.attempts -= 1; // nobody had it
      this.#handInAt(operation, at, before ?? details(), this.#listOfReturned(at));
      return;
    }
    const blamed = (before?.blamed ?? 0) + (outcome & layout.OUTCOME_BLAMED_BIT ? 1 : 0);
    const unanswered = {
      outcome: outcome & layout.OUTCOME_MASK,
      written: (outcome & layout.OUTCOME_WRITTEN_BIT) !== 0,
      idempotent: this.#dialect.isIdempotent(operation.kind),
      cause,
      announced: records[at + layout.RECORD_FLAGS] as number,
      maxValueSize: this.#options.maxValueSize,
      blamed,
      lostTo: before?.lostTo,
      late: records[at + layout.RECORD_LATE] !== 0,
      fault: this.#cluster.faultOf(this.#completions.connection(at)),
      closed: this.closed,
    };
    const connection = this.#completions.connection(at);
    const counts = this.#cluster.countsOf(connection);
    if (!isAnother(unanswered)) {
      if (unanswered.outcome === layout.OUTCOME_LOST) this.noteSlow(operation, outcome, at);
      const node = this.#cluster.nameOf(connection);
      const error = (): EvenkeelError =>
        unansweredError(unanswered, nameOf(operation.kind), contextOf(operation, node));
      if (unanswered.outcome !== layout.OUTCOME_CLOSED) {
        this.failing.add({ operation, error, counts });
      } else {
        // Nobody is answered any more.
        this.failures += 1;
        fail({ operation, error, counts });
      }
      return;
    }
    counts.retries += 1;
    const after = { ...(before ?? details()), blamed, lostTo: causeError(cause) };
    this.#handInAt(operation, at, after, this.#again);
  }

  #listOfReturned(at: number): Operation[] {
    const server = this.#cluster.serverOf(this.#completions.connection(at));
    if (server === undefined) return this.#again;
    const returned = this.#returned.get(server) ?? { ready: [], withheld: [] };
    this.#returned.set(server, returned);
    const isHeld = this.#completions.records[at + layout.RECORD_FLAGS] === 1;
    return isHeld ? returned.withheld : returned.ready;
  }

  /** Under its old deadline. */
  #handInAt(operation: Operation, at: number, before: Details, list: Operation[]): void {
    const { records } = this.#completions;
    operation.stopListening?.();
    operation.details = {
      ...before,
      deadlineHigh: records[at + layout.RECORD_DEADLINE_HIGH] as number,
      deadlineLow: records[at + layout.RECORD_DEADLINE_LOW] as number,
      started: records[at + layout.RECORD_STARTED] as number,
    };
    list.push(operation);
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
