import {
  AuthenticationError,
  ConnectionError,
  type EvenkeelError,
  InvalidArgumentError,
  UnsupportedError,
} from '../../errors';
import type { Registration, Timers } from '../../event-base/event-base';
import { isError } from '../../foreign';
import type { HostPort } from '../connection-string';
import type { ClusterState, Configurations } from './configurations';
import type { Revision } from './revision';

/**
 * Requests a configuration newer than the known one from a server; undefined: it has none. Rejects if there is no answer
 * within `timeout` ms.
 */
export type AskForConfiguration = (
  server: HostPort,
  known: Revision | undefined,
  timeout: number,
) => Promise<string | Uint8Array | undefined>;

/** ms between two requests to a seed. */
const PAUSES = [50, 100, 200, 500] as const;
const LONGEST_PAUSE = 1000;

/** Gets the first configuration. All seeds are asked at the same time, and repeatedly until one has it. */
export class Bootstrap {
  /**
   * Rejects after the timeout with ConnectionError, or with AuthenticationError if a seed refuses the login. If all seeds
   * fail for good, rejects at once with that error: an AuthenticationError, UnsupportedError or InvalidArgumentError.
   */
  readonly state: Promise<ClusterState>;
  readonly #configurations: Configurations;
  readonly #ask: AskForConfiguration;
  readonly #timers: Timers;
  readonly #requestTimeout: number;
  readonly #pauses = new Set<Registration>();
  readonly #faults = new Map<HostPort, Error>();
  #awaited: number;
  #isOver = false;
  #resolve: (state: ClusterState) => void = () => {};
  #reject: (reason: Error) => void = () => {};

  /** `timeout`: ms in total, or Infinity; `requestTimeout`: ms for one request. */
  constructor(
    seeds: readonly HostPort[],
    configurations: Configurations,
    ask: AskForConfiguration,
    timers: Timers,
    timeout: number,
    requestTimeout: number,
  ) {
    this.#configurations = configurations;
    this.#ask = ask;
    this.#timers = timers;
    this.#requestTimeout = Math.min(timeout, requestTimeout);
    this.#awaited = seeds.length;
    this.state = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (timeout !== Number.POSITIVE_INFINITY)
      this.#later(timeout, () => this.cancel(this.#error(`no configuration within ${timeout} ms`)));
    for (const seed of seeds) void this.#askSeed(seed);
  }

  /** Stops and rejects with the reason. */
  cancel(reason: Error): void {
    this.#end();
    this.#reject(reason);
  }

  async #askSeed(seed: HostPort, attempt = 0): Promise<void> {
    const fault = await this.#faultOf(seed);
    if (this.#isOver) return;
    const { current, isComplete } = this.#configurations;
    if (isComplete && current !== undefined) {
      this.#end();
      this.#resolve(current);
      return;
    }
    this.#faults.set(seed, fault ?? new Error('no configuration of the bucket'));
    if (fault === undefined || !isFinal(fault)) {
      this.#later(PAUSES[attempt] ?? LONGEST_PAUSE, () => void this.#askSeed(seed, attempt + 1));
      return;
    }
    this.#awaited -= 1;
    if (this.#awaited === 0) this.cancel(fault);
  }

  /** Asks a seed. Resolves to its error, if any. */
  async #faultOf(seed: HostPort): Promise<Error | undefined> {
    try {
      const document = await this.#ask(seed, undefined, this.#requestTimeout);
      if (document !== undefined && !this.#isOver) this.#configurations.offer(document, seed);
      return undefined;
    } catch (error) {
      return isError(error) ? error : new Error(String(error));
    }
  }

  #later(ms: number, callback: () => void): void {
    const pause = this.#timers.timer(ms, () => {
      this.#pauses.delete(pause);
      callback();
    });
    this.#pauses.add(pause);
  }

  #end(): void {
    this.#isOver = true;
    for (const pause of this.#pauses) pause.cancel();
    this.#pauses.clear();
  }

  #error(otherwise: string): EvenkeelError {
    const faults = [...this.#faults.values()];
    const refusal = faults.find((fault) => fault instanceof AuthenticationError);
    const told = refusal ?? faults.find(isAnswer) ?? faults[0];
    const message = `connect: ${told?.message ?? otherwise}`;
    const cause = faults.length > 1 ? new AggregateError(faults) : told;
    const Kind = refusal === undefined ? ConnectionError : AuthenticationError;
    return new Kind(message, { cause, context: { op: 'connect' } });
  }
}

/** It comes from the seed, not from a network that does not reach it. */
const isAnswer = (fault: Error): boolean => !('errno' in fault);

/** Asking again would not help. */
const isFinal = (fault: Error): boolean =>
  fault instanceof AuthenticationError ||
  fault instanceof UnsupportedError ||
  fault instanceof InvalidArgumentError;
