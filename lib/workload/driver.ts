import { delay, performanceNow } from '../platform';
import type { Operation, OperationSource } from './operation';
import { type CacheClient, send } from './send';
import { Tally } from './tally';

export interface RunOptions {
  /** Operations in flight at any time. */
  readonly concurrency: number;
  readonly seconds: number;
}

/** After a failure a worker waits this long: failures that need no I/O would otherwise starve the event loop. */
export const BACK_OFF_MS = 5;

/** A closed loop of so many workers, each of which issues its next operation when the last one is answered. */
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

  /** Of the measurement, until now or its end. */
  get elapsedMs(): number {
    return this.#started === 0 ? 0 : (this.#ended ?? performanceNow()) - this.#started;
  }

  /** Lets operations in flight end and issues no further ones. */
  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when every worker has seen the end of the time; never rejects because of an operation. */
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
      // One look at the clock ends this operation and begins the next: the clock costs as much as a generated key.
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

  /** Takes in the answer of a read; answers what the worker is to do on top of the mix. */
  #learn(operation: Operation, answer: unknown): Operation | undefined {
    if (operation.kind !== 'get' && operation.kind !== 'gets') return operation.evicts;
    this.tally.reads++;
    if (answer === undefined) return this.#source.missed(operation);
    this.tally.hits++;
    if (operation.kind === 'gets') this.#source.versioned(operation.key, (answer as { cas: bigint }).cas);
    return undefined;
  }

  /** Performs a fill or an eviction; answers whether it was answered. */
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
