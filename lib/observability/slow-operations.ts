import { checkFunction, checkOptions, checkTimeout, invalidArgument, optionNames, shown } from '../arguments';
import { clearTimeout, dateNow, nextTick, setTimeout } from '../platform';
import { escapeControls } from '../text';

/** When an operation counts as slow, and how slow operations are reported. */
export interface SlowOperationsOptions {
  /** The duration from which an operation is slow, in ms. */
  readonly threshold: number;
  /** The time that one report covers, in ms. Default 10000. */
  readonly interval?: number | undefined;
  /** How many operations a report shows: the slowest. Default 10. */
  readonly samples?: number | undefined;
  /**
   * Receives a report at the end of each interval with slow operations, and the last one when the database closes. An
   * error that it throws is an uncaught exception. Default: a process warning (`EVENKEEL_SLOW_OPERATIONS`), which
   * contains no keys.
   */
  readonly log?: ((report: SlowOperationsReport) => void) | undefined;
}

/** A slow operation. */
export interface SlowOperation {
  readonly op: string;
  /** The key as given; undefined for calls without a key. */
  readonly key: unknown;
  /** The server; undefined for an embedded database. */
  readonly node: string | undefined;
  /** How many times it was handed to a server; 0 without a server. */
  readonly attempts: number;
  /**
   * ms from when the event base received the operation until it had the answer or gave up, including all attempts. For
   * an embedded database, the whole call.
   */
  readonly duration: number;
  /**
   * The part of `duration` until the operation was (last) written: it waited for a connection, or behind other
   * operations. The rest was spent on the wire, in the server, and in reading earlier answers. undefined for an
   * embedded database.
   */
  readonly queued: number | undefined;
  /** Whether it got an answer. */
  readonly isAnswered: boolean;
}

export interface SlowOperationsReport {
  readonly engine: string;
  /** ms, as configured. */
  readonly threshold: number;
  /** The time of the first slow operation of the report. */
  readonly since: Date;
  /** The number of slow operations. */
  readonly count: number;
  /** The slowest operations, slowest first. */
  readonly slowest: readonly SlowOperation[];
}

export interface ResolvedSlowOperations {
  readonly threshold: number;
  readonly interval: number;
  readonly samples: number;
  readonly log: (report: SlowOperationsReport) => void;
}

const NAMES = optionNames<SlowOperationsOptions>({
  threshold: true,
  interval: true,
  samples: true,
  log: true,
});
const MOST_SAMPLES = 1000;
/** The limit of a timer; and the threshold in µs must fit in 32 bits. */
const LONGEST = 3_600_000;

export function resolveSlowOperations(
  given: SlowOperationsOptions | undefined,
): ResolvedSlowOperations | undefined {
  if (given === undefined) return undefined;
  checkOptions(given, NAMES, 'slowOperations');
  const { threshold, interval = 10_000, samples = 10, log = warn } = given;
  checkFunction('slowOperations.log', log);
  if (!Number.isInteger(samples) || samples < 1 || samples > MOST_SAMPLES)
    throw invalidArgument(
      'slowOperations.samples',
      `slowOperations.samples is a whole number from 1 to ${MOST_SAMPLES}, not ${shown(samples)}`,
    );
  return {
    threshold: checkDuration(threshold, 'slowOperations.threshold'),
    interval: checkDuration(interval, 'slowOperations.interval'),
    samples,
    log,
  };
}

function checkDuration(duration: number, argument: string): number {
  const checked = checkTimeout(duration, argument);
  if (checked > LONGEST)
    throw invalidArgument(argument, `${argument} is at most ${LONGEST} ms, not ${checked}`);
  return checked;
}

/** Collects slow operations, keeping only as many as a report shows, and reports them. */
export class SlowOperations {
  /** ms. */
  readonly threshold: number;
  readonly #engine: string;
  readonly #options: ResolvedSlowOperations;
  #count = 0;
  #since = 0;
  /** Sorted, the slowest last. */
  #slowest: SlowOperation[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(engine: string, options: ResolvedSlowOperations) {
    this.#engine = engine;
    this.#options = options;
    this.threshold = options.threshold;
  }

  note(operation: SlowOperation): void {
    if (this.#count === 0) this.#begin();
    this.#count += 1;
    const slowest = this.#slowest;
    const isFull = slowest.length === this.#options.samples;
    if (isFull && operation.duration <= (slowest[0] as SlowOperation).duration) return;
    if (isFull) slowest.shift();
    const place = slowest.findIndex(({ duration }) => duration > operation.duration);
    slowest.splice(place === -1 ? slowest.length : place, 0, operation);
  }

  /** Called at the end of the database: reports what has been collected. */
  end(): void {
    if (this.#count === 0) return;
    clearTimeout(this.#timer);
    const report = this.#take();
    nextTick(() => this.#options.log(report));
  }

  #begin(): void {
    this.#since = dateNow();
    this.#timer = setTimeout(() => this.#options.log(this.#take()), this.#options.interval);
    // A pending report does not keep the process alive.
    this.#timer.unref();
  }

  #take(): SlowOperationsReport {
    const report = {
      engine: this.#engine,
      threshold: this.threshold,
      since: new Date(this.#since),
      count: this.#count,
      slowest: this.#slowest.reverse(),
    };
    this.#count = 0;
    this.#slowest = [];
    return report;
  }
}

function warn({ engine, threshold, count, slowest }: SlowOperationsReport): void {
  const shownOnes = slowest.map(
    ({ op, node, duration, queued, isAnswered }) =>
      `${op}${node === undefined ? '' : ` ${node}`} ${duration.toFixed(1)} ms` +
      `${queued === undefined ? '' : ` (${queued.toFixed(1)} queued)`}${isAnswered ? '' : ' unanswered'}`,
  );
  const text = `${engine}: ${count} operations took ${threshold} ms or longer: ${shownOnes.join(', ')}`;
  process.emitWarning(escapeControls(text), { type: 'EvenkeelWarning', code: 'EVENKEEL_SLOW_OPERATIONS' });
}
