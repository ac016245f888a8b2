import { isTraced, type OperationTrace, traceOperation } from './channels';

/** What is called: the parts of its trace that are known before it starts. */
export type Call = Pick<OperationTrace, 'op' | 'key'> & Partial<Pick<OperationTrace, 'size' | 'class'>>;

/** Lets others see the operations of one database. */
export class Observer {
  readonly #engine: string;

  constructor(engine: string) {
    this.#engine = engine;
  }

  /** Whether anybody looks: only then is observe() worth its price. */
  get isActive(): boolean {
    return isTraced();
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
    return traceOperation(trace, () => start(trace));
  }
}
