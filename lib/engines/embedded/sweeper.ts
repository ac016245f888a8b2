import type { Registration, Timers } from '../../event-base/event-base';
import { dateNow, performanceNow } from '../../platform';
import type { Environment } from './environment';
import { readExpiryKey } from './expiry';
import { FROM_FIRST } from './lmdb';
import { removeExpired } from './removal';
import { submit, type Writer } from './writer';

/** The longest pause: other processes may have written records that expire earlier. */
const LONGEST_PAUSE_MS = 30_000;
/** The pause after a failed write, which would otherwise be retried without end. */
const FAILED_PAUSE_MS = 1000;
/** A clock other than the system's may jump at any moment. */
const FOREIGN_CLOCK_PAUSE_MS = 20;

/** Removes expired records when they are due, a few at a time. */
export class Sweeper {
  readonly #environment: Environment;
  readonly #writer: Writer;
  readonly #timers: Timers;
  readonly #stopListening: () => void;
  #timer: Registration | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #isSweeping = false;
  #isClosed = false;

  constructor(environment: Environment, writer: Writer, timers: Timers) {
    this.#environment = environment;
    this.#writer = writer;
    this.#timers = timers;
    this.#stopListening = environment.onExpiryNoted(() => this.#schedule(environment.nextExpiry));
    try {
      this.#lookAhead();
    } catch {
      this.#sweepIn(FAILED_PAUSE_MS);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    this.#timer?.cancel();
  }

  #lookAhead(): void {
    if (this.#isClosed) return;
    const earliest = this.#earliest();
    this.#environment.nextExpiry = earliest;
    this.#schedule(earliest);
  }

  /** ms until the given time; while the clock fails, ms until the next try. */
  #until(moment: number): number {
    const longest = this.#environment.clock === dateNow ? LONGEST_PAUSE_MS : FOREIGN_CLOCK_PAUSE_MS;
    try {
      return Math.min(longest, Math.max(1, moment - this.#environment.now()));
    } catch {
      return FAILED_PAUSE_MS;
    }
  }

  #earliest(): number {
    const { beside, trees } = this.#environment;
    for (const key of trees.expiry.getKeys({ ...FROM_FIRST, ...beside.range, limit: 1 }))
      return readExpiryKey(key).moment;
    return Number.POSITIVE_INFINITY;
  }

  #schedule(moment: number): void {
    if (this.#isClosed) return;
    this.#sweepIn(this.#until(moment));
  }

  #sweepIn(pause: number): void {
    const at = performanceNow() + pause;
    if (this.#timer !== undefined && this.#timerAt <= at) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#timers.timer(pause, () => {
      this.#timer = undefined;
      void this.#sweep();
    });
  }

  async #sweep(): Promise<void> {
    if (this.#isSweeping || this.#isClosed) return;
    this.#isSweeping = true;
    try {
      while (!this.#isClosed && this.#earliest() <= this.#environment.now()) await expireSome(this.#writer);
      this.#lookAhead();
    } catch {
      // For example a full disk, or a long transaction of another process: the records stay due and are tried again.
      if (!this.#isClosed) this.#sweepIn(FAILED_PAUSE_MS);
    } finally {
      this.#isSweeping = false;
    }
  }
}

/** Removes due records without blocking the loop for long; resolves to their number. */
export async function expireSome(writer: Writer): Promise<number> {
  let removed = 0;
  await submit(writer, {
    name: 'expire',
    timeout: undefined,
    signal: undefined,
    size: 1,
    run: (batch) => {
      removeExpired(batch, SLICE_MS);
      removed = batch.takeExpired();
    },
  });
  return removed;
}

/** Removes all due records; resolves to their number. */
export async function expireAll(writer: Writer): Promise<number> {
  let removed = 0;
  for (let some = await expireSome(writer); some > 0; some = await expireSome(writer)) removed += some;
  return removed;
}

const SLICE_MS = 2;
