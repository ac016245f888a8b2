import { checkFlag, checkOptions, checkTimeout, invalidArgument, optionNames, shown } from '../../arguments';

/** When to stop sending operations to a failing server for a while. */
export interface CircuitBreakerOptions {
  /** Fewest operations within `rollingWindow` for the circuit to open. Default 20. */
  readonly volumeThreshold?: number | undefined;
  /** Percentage of failed operations from which on the circuit opens. Default 50. */
  readonly errorThreshold?: number | undefined;
  /** ms from the opening of the circuit until one operation tries the server. Default 5000. */
  readonly sleepWindow?: number | undefined;
  /** ms for which a result counts. Default 60000. */
  readonly rollingWindow?: number | undefined;
}

export type ResolvedCircuitBreaker = { readonly [Name in keyof CircuitBreakerOptions]-?: number };

const NAMES = optionNames<CircuitBreakerOptions>({
  volumeThreshold: true,
  errorThreshold: true,
  sleepWindow: true,
  rollingWindow: true,
});

/**
 * Resolves the option `circuitBreaker`: true for the defaults, undefined or false for none. Throws
 * InvalidArgumentError.
 */
export function resolveCircuitBreaker(
  given: boolean | CircuitBreakerOptions = false,
): ResolvedCircuitBreaker | undefined {
  if (typeof given === 'boolean' && !checkFlag('circuitBreaker', given)) return undefined;
  const options: CircuitBreakerOptions = typeof given === 'boolean' ? {} : given;
  checkOptions(options, NAMES, 'circuitBreaker');
  const { volumeThreshold = 20, errorThreshold = 50, sleepWindow = 5000, rollingWindow = 60_000 } = options;
  if (!Number.isInteger(volumeThreshold) || volumeThreshold < 1)
    throw invalidArgument(
      'circuitBreaker.volumeThreshold',
      `circuitBreaker.volumeThreshold is a whole number from 1, not ${shown(volumeThreshold)}`,
    );
  if (typeof errorThreshold !== 'number' || !(errorThreshold > 0 && errorThreshold <= 100))
    throw invalidArgument(
      'circuitBreaker.errorThreshold',
      `circuitBreaker.errorThreshold is a percentage from above 0 to 100, not ${shown(errorThreshold)}`,
    );
  return {
    volumeThreshold,
    errorThreshold,
    sleepWindow: checkTimeout(sleepWindow, 'circuitBreaker.sleepWindow'),
    rollingWindow: checkTimeout(rollingWindow, 'circuitBreaker.rollingWindow'),
  };
}

/** 'half-open': one operation, the canary, is testing the server. */
export type CircuitState = 'closed' | 'open' | 'half-open';

/** The number of slices of the rolling window. */
const SLICES = 10;

/** Decides for one server whether operations may be sent, by the results of previous ones. */
export class CircuitBreaker {
  readonly #options: ResolvedCircuitBreaker;
  readonly #now: () => number;
  #state: CircuitState = 'closed';
  /** Incremented with each change of state: results of operations from before it are ignored. */
  #era = 0;
  /** Unless closed: when the next canary may be sent. */
  #nextTrial = 0;
  readonly #window: RollingWindow;

  /** `now`: a monotonic clock in ms. */
  constructor(options: ResolvedCircuitBreaker, now: () => number) {
    this.#options = options;
    this.#now = now;
    this.#window = new RollingWindow(options.rollingWindow / SLICES);
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** A ticket for report() if the operation may be sent, otherwise undefined. */
  enter(): number | undefined {
    if (this.#state === 'closed') return this.#era;
    const now = this.#now();
    // This also replaces a canary whose result was never reported.
    if (now < this.#nextTrial) return undefined;
    this.#change('half-open', now);
    return this.#era;
  }

  /** Reports a result. `isFailure`: the server did not answer; a negative answer is not a failure. */
  report(ticket: number, isFailure: boolean): void {
    if (ticket !== this.#era) return;
    const now = this.#now();
    if (this.#state !== 'closed') {
      this.#change(isFailure ? 'open' : 'closed', now);
      return;
    }
    this.#window.add(now, isFailure);
    if (!isFailure) return;
    const { all, failed } = this.#window;
    const { volumeThreshold, errorThreshold } = this.#options;
    if (all >= volumeThreshold && failed * 100 >= all * errorThreshold) this.#change('open', now);
  }

  #change(state: CircuitState, now: number): void {
    this.#state = state;
    this.#era += 1;
    this.#nextTrial = now + this.#options.sleepWindow;
    this.#window.clear();
  }
}

/** Counts results by slices of time. */
class RollingWindow {
  readonly #sliceLength: number;
  readonly #all = new Uint32Array(SLICES);
  readonly #failed = new Uint32Array(SLICES);
  /** The current slice, counted from the clock's zero. */
  #slice = 0;

  constructor(sliceLength: number) {
    this.#sliceLength = sliceLength;
  }

  get all(): number {
    return sum(this.#all);
  }

  get failed(): number {
    return sum(this.#failed);
  }

  add(now: number, isFailure: boolean): void {
    this.#moveTo(Math.floor(now / this.#sliceLength));
    const at = this.#slice % SLICES;
    this.#all[at] = (this.#all[at] ?? 0) + 1;
    if (isFailure) this.#failed[at] = (this.#failed[at] ?? 0) + 1;
  }

  clear(): void {
    this.#all.fill(0);
    this.#failed.fill(0);
  }

  #moveTo(slice: number): void {
    if (slice - this.#slice >= SLICES) this.clear();
    for (let each = Math.max(this.#slice, slice - SLICES) + 1; each <= slice; each += 1) {
      this.#all[each % SLICES] = 0;
      this.#failed[each % SLICES] = 0;
    }
    this.#slice = Math.max(this.#slice, slice);
  }
}

const sum = (counts: Uint32Array): number => counts.reduce((total, each) => total + each, 0);
