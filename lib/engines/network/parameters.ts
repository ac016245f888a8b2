import * as layout from '../../native/layout';
import { type Details, isCounter, Kind, type Operation } from '../../transactions/operation';

/**
 * Additional arguments of native calls, in shared memory. Between calls the timeout is the default one, and the rest is
 * read only with CODE_DETAILED, so an operation without details writes nothing here.
 */
export class Parameters {
  readonly words = new Uint32Array(layout.PARAM_WORDS);
  readonly #timeout: number;

  constructor(timeout: number) {
    this.#timeout = timeout;
    this.words[layout.PARAM_TIMEOUT] = timeout;
  }

  set(operation: Operation, detail: Details): void {
    const p = this.words;
    p[layout.PARAM_TIMEOUT] = detail.timeout ?? this.#timeout;
    p[layout.PARAM_DEADLINE_HIGH] = detail.deadlineHigh;
    p[layout.PARAM_DEADLINE_LOW] = detail.deadlineLow;
    p[layout.PARAM_STARTED] = detail.started;
    p[layout.PARAM_EXPIRY] = detail.expiry;
    p[layout.PARAM_CAS_HIGH] = detail.casHigh;
    p[layout.PARAM_CAS_LOW] = detail.casLow;
    if (detail.newCas !== undefined) {
      p[layout.PARAM_NEW_CAS_HIGH] = Number(detail.newCas >> 32n);
      p[layout.PARAM_NEW_CAS_LOW] = Number(detail.newCas & 0xffffffffn);
    }
    if (operation.kind === Kind.getOrLoad) p[layout.PARAM_RECACHE] = detail.recache;
    if (isCounter(operation.kind)) {
      p[layout.PARAM_DELTA_HIGH] = Number(detail.delta >> 32n);
      p[layout.PARAM_DELTA_LOW] = Number(detail.delta & 0xffffffffn);
      p[layout.PARAM_INITIAL_HIGH] = Number(detail.initial >> 32n);
      p[layout.PARAM_INITIAL_LOW] = Number(detail.initial & 0xffffffffn);
    }
  }

  reset(): void {
    this.words[layout.PARAM_TIMEOUT] = this.#timeout;
  }
}
