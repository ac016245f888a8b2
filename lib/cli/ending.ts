import { fstatSync } from 'node:fs';
import { EventBase, type Registration } from '../index';
import { print } from './output';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const STDIN = 0;
const STDOUT = 1;

/**
 * While open, calls back on a termination signal, or when the reader of stdout is gone. Later signals have no effect.
 */
export class Ending {
  readonly #callback: () => void;
  readonly #reader: Registration | undefined;
  #seen = false;
  readonly #onEnd = (): void => {
    if (this.#seen) return;
    this.#seen = true;
    this.#reader?.cancel();
    this.#callback();
  };

  constructor(callback: () => void) {
    this.#callback = callback;
    for (const signal of SIGNALS) process.on(signal, this.#onEnd);
    // For the life of the process: each write to a pipe without a reader fails again.
    process.stdout.on('error', this.#onEnd);
    this.#reader = watchReader(this.#onEnd);
  }

  get seen(): boolean {
    return this.#seen;
  }

  /** Resolves to true when the text is being written, to false when the end came first. */
  async print(text: string): Promise<boolean> {
    if (!this.#seen && !print(text) && !this.#seen)
      await new Promise<void>((resolve) => {
        process.stdout.once('drain', resolve).once('error', () => resolve());
      });
    return !this.#seen;
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onEnd);
    this.#reader?.cancel();
  }
}

/** A write would also report that the reader is gone, but the next event may be far away. */
function watchReader(onEnd: () => void): Registration | undefined {
  try {
    const stdout = fstatSync(STDOUT);
    // Nothing can ever be read from these, so they become ready only when they end; the exception is a socket that is
    // also stdin.
    if (!stdout.isFIFO() && !(stdout.isSocket() && fstatSync(STDIN).ino !== stdout.ino)) return undefined;
    return EventBase.host.watch(STDOUT, { readable: true }, onEnd);
  } catch {
    return undefined; // then the next write reports it
  }
}
