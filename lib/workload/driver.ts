import { delay, performanceNow } from '../platform';
import type { Operation, OperationSource } from './operation';
import { type CacheClient, send } from './send';
import { Tally } from './tally';

export interface RunOptions {
  /** The number of operations in flight. */
  readonly concurrency: number;
  readonly seconds: number;
}

/** The pause of a worker after a failure: failures without I/O would otherwise starve the event loop. */
export const BACK_OFF_MS = 5;

/** A closed loop of workers, each of which issues its next operation when the previous one is answered. */
export class Run {
  readonly tally = new Tally();
  readonly #client: CacheClient;
  readonly #source: OperationSource;
  readonly #options: RunOptions;
  #started = 0;
  #ended: number | undefined;
  #stopped = false;

  constructor(client: CacheClient, source: OperationSource, options: RunOptions) {
    this.#client = client;
    this.#source = source;
    this.#options = options;
  }

  /** The time of the measurement until now or until its end. */
  get elapsedMs(): number {
    return this.#started === 0 ? 0 : (this.#ended ?? performanceNow()) - this.#started;
  }

  /** Issues no further operations; those in flight continue. */
  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when every worker has ended; never rejects because of an operation. */
  async complete(): Promise<Tally> {
    this.#started = performanceNow();
    const until = this.#started + this.#options.seconds * 1000;
    await Promise.all(Array.from({ length: this.#options.concurrency }, () => this.#worker(until)));
    this.#ended = performanceNow();
    return this.tally;
  }

  async #worker(until: number): Promise<void> {
    const { tally } = this;
    let began = performanceNow();
    while (began < until && !this.#stopped) {
      const operation = this.#source.next();
      let extra: Operation | undefined;
      let failed = false;
      try {
        extra = this.#learn(operation, await send(this.#client, operation));
      } catch (error) {
        failed = !tally.refused(error);
        if (failed) tally.failure(error, (performanceNow() - began) * 1000);
      }
      // The clock is read once for the end of this operation and the start of the next, because it costs as much as
      // generating a key.
      const ended = performanceNow();
      if (!failed) {
        tally.answered[operation.kind]++;
        tally.latency.record((ended - began) * 1000);
      }
      began = ended;
      if (extra !== undefined) {
        failed = !(await this.#perform(extra));
        began = performanceNow();
      }
      if (failed) {
        await delay(BACK_OFF_MS);
        began = performanceNow();
      }
    }
  }

  /** Processes the answer of a read; returns what the worker must do in addition to the mix. */
  #learn(operation: Operation, answer: unknown): Operation | undefined {
    if (operation.kind !== 'get' && operation.kind !== 'gets') return operation.evicts;
    this.tally.reads++;
    if (answer === undefined) return this.#source.missed(operation);
    this.tally.hits++;
    if (operation.kind === 'gets') this.#source.versioned(operation.key, (answer as { cas: bigint }).cas);
    return undefined;
  }

  /** Performs a fill or an eviction; resolves to whether it was answered. */
  async #perform(extra: Operation): Promise<boolean> {
    const began = performanceNow();
    try {
      await send(this.#client, extra);
      if (extra.kind === 'delete') this.tally.evictions++;
      else this.tally.fills++;
      return true;
    } catch (error) {
      if (this.tally.refused(error)) return true;
      this.tally.failure(error, (performanceNow() - began) * 1000);
      return false;
    }
  }
}
