import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LARGEST_TIMEOUT } from '../../arguments';
import { clearTimeout, setTimeout } from '../../platform';
import { escapeControls } from '../../text';
import type { Hold } from './hold';

const TURN_MS = 100;
/** The number of young holds at which the watch looks for those that have not ended. */
const MOST_YOUNG = 64;
/** Looking up a place costs as much as several short transactions. */
const PLACES_A_TURN = 8;
/** Turns between requested garbage collections. */
const TURNS_A_COLLECTION = 10;
/** The number of reported places after which reports may repeat. */
const MOST_PLACES = 256;
const FRAMES = 12;

/**
 * All holds on states of an environment. Releases those whose owner was collected, and reports those held for too long.
 */
export class Watch {
  readonly #path: string;
  readonly #limit: number;
  readonly #turns: number;
  readonly #holds = new Set<Hold>();
  #young: Hold[] = [];
  readonly #told = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #places = 0;
  #turn = 0;
  #collected = -TURNS_A_COLLECTION;

  /** `limit` is in ms; above what a timer can wait, nothing is reported. */
  constructor(path: string, limit: number) {
    this.#path = path;
    this.#limit = limit;
    this.#turns = limit > LARGEST_TIMEOUT ? Number.POSITIVE_INFINITY : 1 + Math.ceil(limit / this.#turnMs);
  }

  get turn(): number {
    return this.#turn;
  }

  add(hold: Hold): void {
    this.#holds.add(hold);
    this.#young.push(hold);
    if (this.#young.length >= MOST_YOUNG) this.#watchYoung();
    if (this.#timer === undefined) this.#wait();
  }

  delete(hold: Hold): void {
    this.#holds.delete(hold);
  }

  /** The place of the caller of this package, as a stack; undefined when it was looked up too often recently. */
  place(): string | undefined {
    if (this.#timer === undefined) this.#places = PLACES_A_TURN;
    if (this.#places === 0) return undefined;
    this.#places -= 1;
    return stackOfCaller();
  }

  /** Requests a garbage collection, but not too often; returns whether anything was released. */
  reclaim(): boolean {
    if (this.#turn - this.#collected < TURNS_A_COLLECTION) return false;
    this.#collected = this.#turn;
    this.#watchYoung();
    collectGarbage();
    let isAny = false;
    for (const hold of this.#holds) {
      if (!hold.isAbandoned) continue;
      hold.done();
      isAny = true;
    }
    return isAny;
  }

  /** Ends all holds. */
  close(): void {
    clearTimeout(this.#timer);
    this.#young = [];
    for (const hold of this.#holds) hold.done();
  }

  get #turnMs(): number {
    return Math.min(this.#limit, TURN_MS);
  }

  #watchYoung(): void {
    for (const hold of this.#young) if (!hold.isOver) hold.watch();
    this.#young = [];
  }

  #wait(): void {
    this.#timer = setTimeout(() => this.#look(), this.#turnMs);
    this.#timer.unref();
  }

  #look(): void {
    this.#timer = undefined;
    this.#turn += 1;
    this.#places = PLACES_A_TURN;
    this.#watchYoung();
    for (const hold of this.#holds) if (this.#turn - hold.turn >= this.#turns) this.#tell(hold);
    if (this.#holds.size > 0) this.#wait();
  }

  #tell({ about: { purpose, place } }: Hold): void {
    const key = place?.split('\n', 1)[0] ?? purpose;
    if (this.#told.has(key)) return;
    if (this.#told.size === MOST_PLACES) this.#told.clear();
    this.#told.add(key);
    const text = `${this.#path}: ${purpose} has read one state of the database for more than ${this.#limit} ms; until it ends, the file grows with what is written`;
    const detail = place === undefined ? {} : { detail: `Begun at:\n${place}` };
    process.emitWarning(escapeControls(text), { type: 'EvenkeelWarning', code: 'EVENKEEL_HELD', ...detail });
  }
}

/** The folder of this package's own code. A bundle has no such folder, and a bundled ES module no `__dirname`. */
const HERE =
  typeof __dirname === 'string' && __dirname.endsWith(join('dist', 'engines', 'embedded'))
    ? join(__dirname, '..', '..')
    : undefined;

/** As text, because V8's structured form would keep alive whatever the running functions reference. */
function stackOfCaller(): string | undefined {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = FRAMES;
  const { stack } = new Error('place');
  Error.stackTraceLimit = stackTraceLimit;
  if (typeof stack !== 'string') return undefined;
  const isOwn = (line: string): boolean => HERE !== undefined && line.includes(HERE);
  const frames = stack.split('\n').filter((line) => line.startsWith('    at ') && !isOwn(line));
  return frames.length === 0 ? undefined : frames.join('\n');
}

/** Only if the platform allows it. */
function collectGarbage(): void {
  try {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
  } catch {
    // A collection happens by itself later.
  }
}
