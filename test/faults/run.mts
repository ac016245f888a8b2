import assert from 'node:assert/strict';
import type { Database } from '../../lib/database.ts';
import { BackpressureError, EvenkeelError } from '../../lib/errors.ts';
import { open, randomOf, soak, story, turn, type Way } from './harness.mts';

// What an operation may take beyond its deadline on a machine that is busy with other tests.
const SLACK = 60_000; // finds what hangs; how late a deadline may be is asked elsewhere, of an idle client
const LIVES = 3;
const BATCHES = soak ? 400 : 60;

type Fate = 'pending' | 'acknowledged' | 'never' | 'unknown';

/** One run: what was asked, what came of it, and what the server must therefore hold at the end. */
export class Run {
  readonly random: () => number;
  readonly #fates = new Map<string, Fate>();
  /** Why those were never to be written. */
  readonly #reasons = new Map<string, string>();
  #next = 0;
  started = 0;
  settled = 0;

  constructor(seed: number) {
    this.random = randomOf(seed);
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  valueOf(key: string): string {
    const length = Number(key.split('-')[1]);
    return `${key}|`.repeat(Math.ceil((length + 1) / (key.length + 1)));
  }

  /** Starts one random operation. */
  start(db: Database): void {
    const timeout = 20 + this.below(200);
    const kind = this.below(10);
    const abort = this.below(8) === 0 ? new AbortController() : undefined;
    const options = { timeout, signal: abort?.signal };
    if (kind < 4) this.#write(db, kind, options);
    else if (kind < 9) this.#read(db, options);
    else this.#readMany(db, options);
    if (abort !== undefined) setTimeout(() => abort.abort(new Error('aborted')), this.below(30));
  }

  #write(db: Database, kind: number, options: { timeout: number; signal: AbortSignal | undefined }): void {
    const size = this.below(20) === 0 ? 20_000 + this.below(40_000) : this.below(300);
    const key = `${kind === 0 ? 'counter' : 'value'}${this.#next++}-${size}`;
    this.#fates.set(key, 'pending');
    const call =
      kind === 0
        ? () => db.increment(key, { ...options, initial: 1n })
        : kind === 1
          ? () => db.insert(key, this.valueOf(key), options)
          : () => db.upsert(key, this.valueOf(key), options);
    this.#follow(key, options.timeout, call, (outcome, error) => {
      if (error === undefined) {
        if (kind === 0) this.#check(outcome === 1n, `${key} was executed more than once: ${String(outcome)}`);
        this.#fates.set(key, 'acknowledged');
      } else {
        const known = error instanceof EvenkeelError && !error.ambiguous;
        this.#fates.set(key, known ? 'never' : 'unknown');
        if (known) this.#reasons.set(key, story(error));
      }
    });
  }

  #read(db: Database, options: { timeout: number; signal: AbortSignal | undefined }): void {
    const key = this.#someKey();
    const before = this.#fates.get(key);
    this.#follow(
      key,
      options.timeout,
      () => db.get(key, options),
      (found, error) => {
        if (error === undefined) this.#checkFound(key, found, before);
      },
    );
  }

  #readMany(db: Database, options: { timeout: number; signal: AbortSignal | undefined }): void {
    const keys = new Set(Array.from({ length: 1 + this.below(40) }, () => this.#someKey()));
    const before = new Map([...keys].map((key) => [key, this.#fates.get(key)]));
    this.#follow(
      'many',
      options.timeout,
      () => db.getMany(keys, options),
      (found, error) => {
        if (error !== undefined) return;
        assert.ok(found instanceof Map);
        for (const key of keys) this.#checkFound(key, found.get(key), before.get(key));
        this.#check(
          [...found.keys()].every((key) => keys.has(key)),
          'only what was asked for',
        );
      },
    );
  }

  #someKey(): string {
    const keys = [...this.#fates.keys()];
    const recent = keys.slice(-200);
    return recent[this.below(recent.length)] ?? 'absent-0';
  }

  /** `before`: the write's fate when the read began. */
  #checkFound(key: string, found: unknown, before: Fate | undefined): void {
    if (before === 'acknowledged') this.#check(found !== undefined, `${key} was acknowledged and is gone`);
    if (before === 'never')
      this.#check(found === undefined, `${key} was never to be written: ${this.#reasons.get(key)}`);
    if (found === undefined) return;
    // A counter is text on the server, and without flags a Buffer here.
    const right = key.startsWith('counter') ? String(found) === '1' : found === this.valueOf(key);
    this.#check(right, `${key} has the value ${String(found).slice(0, 60)}`);
  }

  readonly wrong: string[] = [];

  #check(holds: boolean, what: string): void {
    if (!holds) this.wrong.push(what);
  }

  #follow(
    what: string,
    timeout: number,
    call: () => Promise<unknown>,
    then: (outcome: unknown, error: unknown) => void,
  ): void {
    let promise: Promise<unknown>;
    const began = performance.now();
    try {
      promise = call();
    } catch (error) {
      then(undefined, error); // closed meanwhile
      return;
    }
    this.started += 1;
    let times = 0;
    const end = (outcome: unknown, error: unknown): void => {
      times += 1;
      this.settled += 1;
      const took = performance.now() - began;
      this.#check(times === 1, `${what} was settled ${times} times`);
      this.#check(took < timeout + SLACK, `${what} took ${Math.round(took)} ms of ${timeout}`);
      const expected =
        error === undefined || error instanceof EvenkeelError || story(error).startsWith('aborted');
      this.#check(expected, `${what}: ${String(error)}`);
      if (error instanceof BackpressureError) this.#check(!error.ambiguous, 'refused, not ambiguous');
      then(outcome, error);
    };
    promise.then(
      (outcome) => end(outcome, undefined),
      (error: unknown) => end(undefined, error ?? new Error('rejected with nothing')),
    );
  }

  /** With an honest server again: everything acknowledged is there, and nothing that was said not to be. */
  async verify(db: Database): Promise<void> {
    const entries = [...this.#fates];
    this.#check(!entries.some(([, fate]) => fate === 'pending'), 'every write was settled');
    const found = await Promise.all(entries.map(([key]) => db.get(key, { timeout: 20_000 })));
    for (const [index, [key, fate]] of entries.entries()) this.#checkFound(key, found[index], fate);
  }
}

/** One client from its first operation to its end, with trouble between its bursts. */
async function live(run: Run, url: string, way: Way, trouble: () => Promise<void>): Promise<void> {
  const opened = await open(url, way.model, {
    protocol: way.protocol,
    timeout: 200,
    lazy: true,
    connectTimeout: 50,
    silenceTimeout: 100,
    backoff: { min: 1, max: 10 },
    maxInFlight: 1 + run.below(200),
    maxQueued: run.below(400),
  });
  for (let batch = 0; batch < BATCHES; batch += 1) {
    for (let i = run.below(25); i >= 0; i -= 1) run.start(opened.db);
    await trouble();
    if (run.below(3) === 0) await new Promise((resolve) => setTimeout(resolve, run.below(20)));
    else await turn();
  }
  // With operations under way, in one of the orders a program may choose.
  const end = run.below(3);
  if (end === 0) await opened.base.close();
  if (end === 1) await opened.db.close({ timeout: 1 + run.below(50) });
  await opened[Symbol.asyncDispose]();
}

/** Some clients one after the other, in trouble; then `calm`, and everything is as it was said to be. */
export async function survive(
  run: Run,
  way: Way,
  at: { url: string; trouble: () => Promise<void>; calm: () => Promise<void> },
): Promise<void> {
  for (let life = 0; life < LIVES; life += 1) await live(run, at.url, way, at.trouble);
  await turn();
  await at.calm();
  await using opened = await open(at.url, way.model, { protocol: way.protocol, maxQueued: 500_000 });
  await run.verify(opened.db);
  assert.deepEqual(run.wrong, []);
  assert.equal(run.settled, run.started);
}

/** Of the runs of one test file: EVENKEEL_SEED's alone when it is set. */
export function seeds(count: number): readonly number[] {
  const replayed = process.env.EVENKEEL_SEED;
  if (replayed !== undefined) return [Number(replayed)];
  return Array.from({ length: soak ? 10 * count : count }, () => Math.floor(Math.random() * 2 ** 32));
}
