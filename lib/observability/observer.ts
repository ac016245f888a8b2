import { performanceNow } from '../platform';
import { isTraced, type OperationTrace, traceOperation } from './channels';
import type { SlowOperations } from './slow-operations';

/** What is called: the parts of its trace that are known before it starts. */
export type Call = Pick<OperationTrace, 'op' | 'key'> & Partial<Pick<OperationTrace, 'size' | 'class'>>;

const MOST_KINDS = 32;

/** Counts the operations of one event base of a database, and lets others see them. */
export class Observer {
  /** How often each kind of single-record operation was called, by its number. */
  readonly kinds = new Float64Array(MOST_KINDS);
  readonly #others = new Map<string, number>();
  readonly #engine: string;
  readonly #timed: SlowOperations | undefined;

  /** `timed`: gets slow operations, of an engine that does not tell of them by itself. */
  constructor(engine: string, timed: SlowOperations | undefined) {
    this.#engine = engine;
    this.#timed = timed;
  }

  /** Whether anybody looks: only then is observe() worth its price. */
  get isActive(): boolean {
    return this.#timed !== undefined || isTraced();
  }

  /** A call of another kind. */
  count(op: string): void {
    this.#others.set(op, (this.#others.get(op) ?? 0) + 1);
  }

  /** A call that throws `error` before it has begun anything is told like any other. */
  refused(call: Call, error: unknown): void {
    this.count(call.op);
    if (!this.isActive) return;
    try {
      void this.observe(call, () => {
        throw error;
      });
    } catch {
      // It is its caller's to throw.
    }
  }

  /** How often each method was called; `nameOf`: those of `kinds`. */
  calls(nameOf: (kind: number) => string): Record<string, number> {
    const calls = Object.fromEntries(this.#others);
    for (const [kind, count] of this.kinds.entries()) {
      if (count === 0) continue;
      const name = nameOf(kind);
      calls[name] = (calls[name] ?? 0) + count;
    }
    return calls;
  }

  /** `start` gets the trace, and may fill it in. The promise as the caller gets it; what `start` throws is thrown. */
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
