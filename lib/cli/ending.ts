import { fstatSync } from 'node:fs';
import { EventBase, type Registration } from '../index';
import { print } from './output';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const STDIN = 0;
const STDOUT = 1;

/** While it is open, a signal to end, or the end of whoever reads stdout, calls back. Later signals do nothing more. */
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
    // For as long as the process lives: each write to a pipe that nobody reads fails anew.
    process.stdout.on('error', this.#onEnd);
    this.#reader = watchReader(this.#onEnd);
  }

  get seen(): boolean {
    return this.#seen;
  }

  /** Resolves to true when the text is on its way, to false when the end came first. */
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

/** A write would tell that nobody reads any more, but the next event may be far away. */
function watchReader(onEnd: () => void): Registration | undefined {
  try {
    const stdout = fstatSync(STDOUT);
    // Nothing is ever to be read from these, so that what makes them ready is their end; unless stdin is the same socket.
    if (!stdout.isFIFO() && !(stdout.isSocket() && fstatSync(STDIN).ino !== stdout.ino)) return undefined;
    return EventBase.host.watch(STDOUT, { readable: true }, onEnd);
  } catch {
    return undefined; // then the next write tells
  }
}
