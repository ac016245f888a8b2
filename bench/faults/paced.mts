// An open load: so many operations a second whatever their answers do, spread over the keys of several servers. It notes of
// each operation how long it took and what it came to; so it sees what a service sees that has its own callers.
import type { Database } from 'evenkeel';
import { build } from 'hdr-histogram-js';
import { keysOfServers } from '../../test/faults/keys-of-servers.mts';

const KEYS_EACH = 200;
/** Of every so many operations one is a write. */
const WRITES = 5;
const VALUE = 'x'.repeat(100);
/** After a pause of the loop the load catches up at this multiple of its rate, and not in one burst of its own. */
const FASTEST = 5;

/** What came of the operations on one server between two looks. */
export class Tally {
  started = 0;
  succeeded = 0;
  /** First words of an error to how often it was seen. */
  readonly failures = new Map<string, number>();
  /** ms that an operation was settled beyond its deadline and beyond what held up this process's loop. */
  latest = Number.NEGATIVE_INFINITY;
  readonly #took = build({ highestTrackableValue: 60e6, numberOfSignificantValueDigits: 3 });

  took(ms: number): void {
    this.#took.recordValue(Math.round(ms * 1000));
  }

  /** ms. */
  get p99(): number {
    return this.#took.getValueAtPercentile(99) / 1000;
  }

  get failed(): number {
    return [...this.failures.values()].reduce((sum, count) => sum + count, 0);
  }
}

export class PacedLoad {
  /** One a server, since the last look. */
  tallies: readonly Tally[];
  started = 0;
  settled = 0;
  readonly #db: Database;
  readonly #keys: readonly (readonly string[])[];
  readonly #rate: number;
  readonly #timeout: number;
  readonly #lag = new Lag();
  #waiting:
    | { readonly server: number; readonly since: number; readonly resolve: (ms: number) => void }
    | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `rate`: operations a second. `timeout`: ms, of each. */
  constructor(db: Database, names: readonly string[], rate: number, timeout: number) {
    this.#db = db;
    this.#rate = rate;
    this.#timeout = timeout;
    this.#keys = keysOfServers(names, KEYS_EACH);
    this.tallies = names.map(() => new Tally());
  }

  /** Resolves when each key is stored. */
  async begin(): Promise<void> {
    await Promise.all(this.#keys.flat().map((key) => this.#db.upsert(key, VALUE, { timeout: 10_000 })));
    let due = performance.now();
    const most = Math.ceil((FASTEST * this.#rate) / 1000);
    this.#timer = setInterval(() => {
      this.#lag.note(performance.now());
      for (let i = 0; i < most && due < performance.now(); i += 1) {
        this.#issue(due);
        due += 1000 / this.#rate;
      }
    }, 1);
  }

  /** The tallies so far, and new ones from here on. */
  look(): readonly Tally[] {
    const seen = this.tallies;
    this.tallies = seen.map(() => new Tally());
    return seen;
  }

  /** How many ms from now the first operation succeeds that is begun from now on. */
  nextSuccess(server: number): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting = { server, since: performance.now(), resolve };
    });
  }

  /** Resolves when everything has settled, at most a second after the last deadline. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    const last = performance.now() + this.#timeout + 1000;
    while (this.settled < this.started && performance.now() < last)
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  /** `due`: when a caller of its own would have made the call. What it waited for the loop since then is a part of what it took. */
  #issue(due: number): void {
    const began = performance.now();
    const n = this.started++;
    const server = n % this.#keys.length;
    const keys = this.#keys[server] as readonly string[];
    const key = keys[Math.floor(n / this.#keys.length) % keys.length] as string;
    const tally = this.tallies[server] as Tally;
    tally.started += 1;
    const options = { timeout: this.#timeout };
    let promise: Promise<unknown>;
    try {
      promise = n % WRITES === 0 ? this.#db.upsert(key, VALUE, options) : this.#db.get(key, options);
    } catch (error) {
      promise = Promise.reject(error);
    }
    promise.then(
      () => {
        this.#settle(tally, due, began);
        tally.succeeded += 1;
        const waiting = this.#waiting;
        if (waiting?.server === server && began >= waiting.since) {
          this.#waiting = undefined;
          waiting.resolve(performance.now() - waiting.since);
        }
      },
      (error: unknown) => {
        this.#settle(tally, due, began);
        const words = String(error);
        tally.failures.set(words, (tally.failures.get(words) ?? 0) + 1);
      },
    );
  }

  #settle(tally: Tally, due: number, began: number): void {
    const now = performance.now();
    this.settled += 1;
    tally.took(now - due);
    tally.latest = Math.max(
      tally.latest,
      now - began - this.#timeout - this.#lag.since(began + this.#timeout, now),
    );
  }
}

/** How long this process's loop did not turn: what no client could have done anything about. */
class Lag {
  readonly #turns: { at: number; gap: number }[] = [];
  #last: number | undefined;

  note(now: number): void {
    const gap = now - (this.#last ?? now) - 1;
    this.#last = now;
    if (gap > 1) this.#turns.push({ at: now, gap });
    if (this.#turns.length > 10_000) this.#turns.splice(0, 5000);
  }

  /** The ms of gaps that end after `from`, the present one included. */
  since(from: number, now: number): number {
    let lag = Math.max(0, now - (this.#last ?? now) - 1);
    for (let i = this.#turns.length - 1; i >= 0; i -= 1) {
      const { at, gap } = this.#turns[i] as { at: number; gap: number };
      if (at < from) break;
      lag += gap;
    }
    return lag;
  }
}
