import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LARGEST_TIMEOUT } from '../../arguments';
import { clearTimeout, setTimeout } from '../../platform';
import { escapeControls } from '../../text';
import type { Hold } from './hold';

const TURN_MS = 100;
/** So many are young before it is looked which of them have not ended. */
const MOST_YOUNG = 64;
/** To look up a place costs as much as some short transactions. */
const PLACES_A_TURN = 8;
/** Turns between collections of garbage that are asked for. */
const TURNS_A_COLLECTION = 10;
/** How many places are told of before they are told once more. */
const MOST_PLACES = 256;
const FRAMES = 12;

/** All that holds a state of an environment: whatever is collected is given back, whatever is held for too long is told. */
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

  /** `limit` in ms; beyond what a timer can wait, nothing is told. */
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

  /** Where the caller of this package is, as a stack; undefined when that was asked for too often lately. */
  place(): string | undefined {
    if (this.#timer === undefined) this.#places = PLACES_A_TURN;
    if (this.#places === 0) return undefined;
    this.#places -= 1;
    return stackOfCaller();
  }

  /** Has garbage collected, but not again and again; whether anything was given back. */
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

  /** Ends all of them. */
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

/** Where this package's own code is, wherever it is installed. A bundle has no such place, and as a module no `__dirname`. */
const HERE =
  typeof __dirname === 'string' && __dirname.endsWith(join('dist', 'engines', 'embedded'))
    ? join(__dirname, '..', '..')
    : undefined;

/** As text: what V8 keeps for it would hold whatever the functions under way have in their hands. */
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

/** Where the platform lets it be asked for. */
function collectGarbage(): void {
  try {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
  } catch {
    // It comes by itself, later.
  }
}
