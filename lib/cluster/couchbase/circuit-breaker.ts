import { checkFlag, checkOptions, checkTimeout, invalidArgument, optionNames, shown } from '../../arguments';

/** When a server that fails is left alone for a while. */
export interface CircuitBreakerOptions {
  /** Operations within `rollingWindow` before anything is concluded. Default 20. */
  readonly volumeThreshold?: number | undefined;
  /** Percent of them that have failed. Default 50. */
  readonly errorThreshold?: number | undefined;
  /** ms that the server is left alone before one operation tries it. Default 5000. */
  readonly sleepWindow?: number | undefined;
  /** ms that an outcome counts. Default 60000. */
  readonly rollingWindow?: number | undefined;
}

export type ResolvedCircuitBreaker = { readonly [Name in keyof CircuitBreakerOptions]-?: number };

const NAMES = optionNames<CircuitBreakerOptions>({
  volumeThreshold: true,
  errorThreshold: true,
  sleepWindow: true,
  rollingWindow: true,
});

/** The option `circuitBreaker`: true for the defaults, false or undefined for none. Throws InvalidArgumentError, which names what is wrong. */
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
      `circuitBreaker.errorThreshold is a percentage above 0, not ${shown(errorThreshold)}`,
    );
  return {
    volumeThreshold,
    errorThreshold,
    sleepWindow: checkTimeout(sleepWindow, 'circuitBreaker.sleepWindow'),
    rollingWindow: checkTimeout(rollingWindow, 'circuitBreaker.rollingWindow'),
  };
}

/** 'half-open': one operation, the canary, finds out how the server is. */
export type CircuitState = 'closed' | 'open' | 'half-open';

/** Of the rolling window. */
const SLICES = 10;

/** Of one server: lets operations through to it, or not, by how those before them ended. */
export class CircuitBreaker {
  readonly #options: ResolvedCircuitBreaker;
  readonly #now: () => number;
  #state: CircuitState = 'closed';
  /** Outcomes of operations that were let through before the state changed last say nothing any more. */
  #era = 0;
  /** When the server may be tried again, unless it is closed. */
  #nextTrial = 0;
  readonly #window: RollingWindow;

  /** `now`: ms, of a clock that never jumps. */
  constructor(options: ResolvedCircuitBreaker, now: () => number) {
    this.#options = options;
    this.#now = now;
    this.#window = new RollingWindow(options.rollingWindow / SLICES);
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** Whether an operation may be sent: then a number, with which its outcome is to be told. */
  enter(): number | undefined {
    if (this.#state === 'closed') return this.#era;
    const now = this.#now();
    // Also when nobody ever told how the last canary ended.
    if (now < this.#nextTrial) return undefined;
    this.#change('half-open', now);
    return this.#era;
  }

  /** `isFailure`: the server did not answer, or could not; an answer that the caller does not like is none. */
  left(entry: number, isFailure: boolean): void {
    if (entry !== this.#era) return;
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

/** Counts of the last so many slices of time. */
class RollingWindow {
  readonly #sliceLength: number;
  readonly #all = new Uint32Array(SLICES);
  readonly #failed = new Uint32Array(SLICES);
  /** The one that is being counted in, from the beginning of the clock. */
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
