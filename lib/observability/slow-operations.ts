import { checkFunction, checkOptions, checkTimeout, invalidArgument, optionNames, shown } from '../arguments';
import { clearTimeout, dateNow, nextTick, setTimeout } from '../platform';
import { escapeControls } from '../text';

/** When an operation is slow, and what is told of those that are. */
export interface SlowOperationsOptions {
  /** ms from which on an operation is slow. */
  readonly threshold: number;
  /** ms that one report is about. Default 10000. */
  readonly interval?: number | undefined;
  /** How many operations a report shows: the slowest. Default 10. */
  readonly samples?: number | undefined;
  /**
   * Gets a report at the end of each interval in which there was a slow operation, and of the last one when the database
   * closes. What it throws is an uncaught exception. Default: a warning of the process (`EVENKEEL_SLOW_OPERATIONS`), which
   * names no keys.
   */
  readonly log?: ((report: SlowOperationsReport) => void) | undefined;
}

/** One operation that took long. */
export interface SlowOperation {
  readonly op: string;
  /** As it was given. undefined where a call names none. */
  readonly key: unknown;
  /** The server that it was for; undefined of an embedded database. */
  readonly node: string | undefined;
  /** How often it was handed to a server; 0 where there is none. */
  readonly attempts: number;
  /**
   * ms from when the event base had the operation until it had the answer, or gave up, all attempts included; of an embedded
   * database the whole call.
   */
  readonly duration: number;
  /**
   * ms of those until it was written (for the last time): it waited for a connection, or behind others. The rest was spent on the
   * wire, in the server, and in what was to be read before. undefined of an embedded database.
   */
  readonly queued: number | undefined;
  /** Whether it got an answer. */
  readonly isAnswered: boolean;
}

export interface SlowOperationsReport {
  readonly engine: string;
  /** ms, as it was given. */
  readonly threshold: number;
  /** From the first slow operation that it is about. */
  readonly since: Date;
  /** How many were slow. */
  readonly count: number;
  /** The slowest of them, the longest first. */
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
/** An interval is a timer, and the threshold a number of µs in 32 bits. */
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

/** Gathers slow operations, as many as a report shows and however many there are, and reports. */
export class SlowOperations {
  /** ms. */
  readonly threshold: number;
  readonly #engine: string;
  readonly #options: ResolvedSlowOperations;
  #count = 0;
  #since = 0;
  /** The longest last. */
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

  /** The database has ended: what there is is reported now. */
  end(): void {
    if (this.#count === 0) return;
    clearTimeout(this.#timer);
    const report = this.#take();
    nextTick(() => this.#options.log(report));
  }

  #begin(): void {
    this.#since = dateNow();
    this.#timer = setTimeout(() => this.#options.log(this.#take()), this.#options.interval);
    // A report keeps nobody alive.
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
