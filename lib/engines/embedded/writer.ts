import { isDamage } from '../../damage';
import { BackpressureError, ClosedError, EvenkeelError, StorageError, TimeoutError } from '../../errors';
import { clearTimeout, performanceNow, queueMicrotask, setTimeout } from '../../platform';
import { onAbort } from '../../transactions/abort';
import type { Environment } from './environment';
import { storageError } from './lmdb';
import { removeExpired } from './removal';
import { WriteBatch } from './write-batch';
import { causeOf, writeTransaction } from './write-transaction';

/** How long one write transaction accepts waiting units; limits how long the loop is blocked. */
const BATCH_MS = 8;

/** What is written at once and settles together: one operation, a scheduling context, or a transaction. */
export interface Unit {
  /** For messages. */
  readonly name: string;
  /** ms from its submission; undefined: no limit. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** The number of operations that it counts as. */
  readonly size: number;
  /** Runs in the write transaction. May only throw before it has written anything. */
  run(batch: WriteBatch): void;
  /** Called when its writes are durable. */
  succeed(): void;
  fail(error: unknown): void;
}

interface Entry {
  readonly unit: Unit;
  isWritten: boolean;
  /** What the unit threw. Reported only after the writes that may have caused it are durable. */
  refusal: EvenkeelError | undefined;
  isSettled: boolean;
  timer: NodeJS.Timeout | undefined;
  stopListening: (() => void) | undefined;
}

/**
 * The only way to write. Units submitted during a commit are combined into the next one. They run in order of
 * submission, each to its end before the next.
 */
export class Writer {
  readonly #environment: Environment;
  readonly #maxQueued: number;
  readonly #onBusy: (isBusy: boolean) => void;
  #queue: Entry[] = [];
  #pending = 0;
  #isRequested = false;
  #closed = false;
  #whenIdle: (() => void)[] = [];

  constructor(environment: Environment, maxQueued: number, onBusy: (isBusy: boolean) => void) {
    this.#environment = environment;
    this.#maxQueued = maxQueued;
    this.#onBusy = onBusy;
  }

  /** Units submitted but not ended. */
  get pending(): number {
    return this.#pending;
  }

  get isIdle(): boolean {
    return this.#pending === 0;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get room(): number {
    return this.#maxQueued - this.#pending;
  }

  /** Throws BackpressureError when too much is waiting, ClosedError after close(). */
  submit(unit: Unit): void {
    this.assertWritable();
    if (unit.size > this.room) {
      throw new BackpressureError(`${this.#pending} operations wait to be written already (maxQueued)`, {
        context: { op: unit.name, node: this.#environment.path },
      });
    }
    const entry: Entry = {
      unit,
      isWritten: false,
      refusal: undefined,
      isSettled: false,
      timer: undefined,
      stopListening: undefined,
    };
    const { signal } = unit;
    if (signal !== undefined) entry.stopListening = onAbort(signal, (reason) => this.#fail(entry, reason));
    if (unit.timeout !== undefined) entry.timer = setTimeout(() => this.#timeOut(entry), unit.timeout);
    if (this.#pending === 0) this.#onBusy(true);
    this.#pending += unit.size;
    this.#queue.push(entry);
    this.#request();
  }

  assertWritable(): void {
    this.assertOpen();
    this.#environment.assertWritable();
  }

  assertOpen(): void {
    if (this.#closed)
      throw new ClosedError('the database is closed', { context: { node: this.#environment.path } });
  }

  /** Accepts nothing more. Resolves when everything is written, or after `timeout` ms, when the rest has failed. */
  async close(timeout: number): Promise<void> {
    this.#closed = true;
    if (this.#pending === 0) return;
    const idle = new Promise<void>((resolve) => this.#whenIdle.push(resolve));
    const timer = setTimeout(() => this.refuse('the database'), timeout);
    await idle;
    clearTimeout(timer);
  }

  /** Fails everything that has not been written. */
  refuse(what: string): void {
    this.#closed = true;
    for (const entry of this.#queue) {
      const { name } = entry.unit;
      this.#fail(entry, new ClosedError(`${name}: ${what} was closed`, { context: { op: name } }));
    }
  }

  #request(): void {
    if (this.#isRequested) return;
    this.#isRequested = true;
    this.#environment.whenFree(() => {
      const entries: Entry[] = [];
      let hasEvents = false;
      this.#environment.beginWrite();
      writeTransaction(this.#environment.root, () => {
        this.#isRequested = false;
        this.#environment.execute(() => {
          hasEvents = this.#run(entries);
        });
      }).then(
        () => {
          this.#environment.endWrite();
          this.#commit(entries, hasEvents);
        },
        async (error: unknown) => {
          this.#environment.endWrite();
          // Autoids assigned in the transaction were not used.
          this.#environment.autoids.clear();
          this.#abort(entries, await causeOf(error));
        },
      );
    });
  }

  /** Executes the queued units in a write transaction and adds them to `batch`; returns whether there were events. */
  #run(batch: Entry[]): boolean {
    const deadline = performanceNow() + BATCH_MS;
    let taken = 0;
    try {
      const write = this.#begin(batch);
      // Removes due records first, so that no unit meets them: a few with every commit; the sweeper does the rest.
      removeExpired(write, 0);
      for (const entry of this.#queue) {
        taken += 1;
        if (entry.isSettled) continue;
        batch.push(entry);
        entry.isWritten = true;
        try {
          entry.unit.run(write);
        } catch (error) {
          if (!isOwn(error)) throw error;
          entry.refusal = error;
          write.endTransaction();
        }
        if ((taken & 15) === 0 && performanceNow() > deadline) break;
      }
      write.finish();
      return write.hasEvents;
    } catch (error) {
      this.#environment.autoids.clear();
      throw error;
    } finally {
      this.#queue = taken === this.#queue.length ? [] : this.#queue.slice(taken);
      // Not synchronously, because it would become part of this transaction.
      if (this.#queue.length > 0) queueMicrotask(() => this.#request());
    }
  }

  /** If it cannot start, all waiting units fail. */
  #begin(batch: Entry[]): WriteBatch {
    try {
      return new WriteBatch(this.#environment);
    } catch (error) {
      for (const each of this.#queue.splice(0)) batch.push(each); // too many for the arguments of a call
      throw error;
    }
  }

  #commit(entries: readonly Entry[], hasEvents: boolean): void {
    for (const entry of entries) {
      if (entry.isSettled) continue;
      this.#settle(entry);
      if (entry.refusal === undefined) entry.unit.succeed();
      else entry.unit.fail(entry.refusal);
    }
    this.#environment.committed(hasEvents);
  }

  #abort(batch: readonly Entry[], cause: unknown): void {
    const error = cause instanceof EvenkeelError ? cause : storageError(cause, this.#environment.path);
    for (const entry of batch) this.#fail(entry, error);
    if (this.#queue.length > 0) this.#request();
  }

  #timeOut(entry: Entry): void {
    const { name, timeout } = entry.unit;
    const message = `${name}: not ${entry.isWritten ? 'committed' : 'written'} within ${timeout} ms`;
    this.#fail(entry, new TimeoutError(message, { ambiguous: entry.isWritten, context: { op: name } }));
  }

  #fail(entry: Entry, error: unknown): void {
    if (entry.isSettled) return;
    this.#settle(entry);
    entry.unit.fail(error);
  }

  #settle(entry: Entry): void {
    entry.isSettled = true;
    clearTimeout(entry.timer);
    entry.stopListening?.();
    this.#pending -= entry.unit.size;
    if (this.#pending > 0) return;
    this.#onBusy(false);
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

/** Whether the unit threw the error before it wrote anything; the data that it read may be damaged. */
function isOwn(error: unknown): error is EvenkeelError {
  if (error instanceof StorageError) return isDamage(error);
  return error instanceof EvenkeelError;
}

/** The unit's outcome as a promise. */
export function submit(writer: Writer, unit: Omit<Unit, 'succeed' | 'fail'>): Promise<void> {
  const { name, timeout, signal, size, run } = unit;
  return new Promise((resolve, reject) => {
    writer.submit({ name, timeout, signal, size, run, succeed: resolve, fail: reject });
  });
}
