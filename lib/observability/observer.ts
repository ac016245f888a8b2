import { performanceNow } from '../platform';
import { isTraced, type OperationTrace, traceOperation } from './channels';
import type { SlowOperations } from './slow-operations';

/** The parts of a trace that are known before the call starts. */
export type Call = Pick<OperationTrace, 'op' | 'key'> & Partial<Pick<OperationTrace, 'size' | 'class'>>;

const MOST_KINDS = 32;

/** Counts the operations of one event base of a database, and publishes them to subscribers. */
export class Observer {
  /** Calls of each kind of single-record operation, by its number. */
  readonly kinds = new Float64Array(MOST_KINDS);
  readonly #others = new Map<string, number>();
  readonly #engine: string;
  readonly #timed: SlowOperations | undefined;

  /** `timed` receives slow operations, for engines that do not report them themselves. */
  constructor(engine: string, timed: SlowOperations | undefined) {
    this.#engine = engine;
    this.#timed = timed;
  }

  /** Whether anybody subscribes; only then is observe() worth its cost. */
  get isActive(): boolean {
    return this.#timed !== undefined || isTraced();
  }

  /** Counts a call of another kind. */
  count(op: string): void {
    this.#others.set(op, (this.#others.get(op) ?? 0) + 1);
  }

  /** Publishes a call that throws `error` before it has started anything, like any other call. */
  refused(call: Call, error: unknown): void {
    this.count(call.op);
    if (!this.isActive) return;
    try {
      void this.observe(call, () => {
        throw error;
      });
    } catch {
      // The caller throws the error itself.
    }
  }

  /** The number of calls of each method; `nameOf` names the numbers of `kinds`. */
  calls(nameOf: (kind: number) => string): Record<string, number> {
    const calls = Object.fromEntries(this.#others);
    for (const [kind, count] of this.kinds.entries()) {
      if (count === 0) continue;
      const name = nameOf(kind);
      calls[name] = (calls[name] ?? 0) + count;
    }
    return calls;
  }

  /**
   * Passes the trace to `start`, which may fill it in. Returns the promise for the caller; throws what `start` throws.
   */
  observe<T>(call: Call, start: (trace: OperationTrace) => Promise<T>): Promise<T> {
    const trace: OperationTrace = {
      op: call.op,
      engine: this.#engine,
      key: call.key,
      size: call.size ?? 1,
      class: call.class,
      node: undefined,
      attempts: 0,
      hits: undefined,
    };
    const timed = this.#timed;
    const run = (): Promise<T> => (timed === undefined ? start(trace) : time(timed, trace, start));
    return isTraced() ? traceOperation(trace, run) : run();
  }
}

function time<T>(
  slow: SlowOperations,
  trace: OperationTrace,
  start: (trace: OperationTrace) => Promise<T>,
): Promise<T> {
  const began = performanceNow();
  const note = (isAnswered: boolean): void => {
    const duration = performanceNow() - began;
    if (duration < slow.threshold) return;
    const { op, key } = trace;
    slow.note({ op, key, node: undefined, attempts: 0, duration, queued: undefined, isAnswered });
  };
  return start(trace).then(
    (result) => {
      note(true);
      return result;
    },
    (error: unknown) => {
      note(false);
      throw error;
    },
  );
}
