import { clearTimeout, setTimeout } from '../../platform';

type Outcome = 'commit' | 'ambiguous';

interface Prepared {
  readonly settle: (outcome: Outcome) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

/** The durable writes that a test holds. */
export class SyncWrites {
  readonly #prepared = new Map<string, Prepared>();
  held = false;

  isPending(vbucket: number, name: string): boolean {
    return this.#prepared.has(`${vbucket} ${name}`);
  }

  /**
   * Adds a prepared write. `settle` is called once, when the write is decided: by a test, or after `timeout` ms, when it is
   * ambiguous.
   */
  prepare(
    vbucket: number,
    name: string,
    timeout: number | undefined,
    settle: (outcome: Outcome) => void,
  ): void {
    const key = `${vbucket} ${name}`;
    const timer =
      timeout === undefined ? undefined : setTimeout(() => this.#settle(key, 'ambiguous'), timeout);
    timer?.unref();
    this.#prepared.set(key, { settle, timer });
  }

  /** Decides all pending writes and stops holding new ones. */
  release(outcome: Outcome): void {
    this.held = false;
    for (const key of [...this.#prepared.keys()]) this.#settle(key, outcome);
  }

  #settle(key: string, outcome: Outcome): void {
    const prepared = this.#prepared.get(key);
    if (prepared === undefined) return;
    this.#prepared.delete(key);
    clearTimeout(prepared.timer);
    prepared.settle(outcome);
  }
}
