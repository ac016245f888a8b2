/** The shells' exit code for a program ended by SIGINT. */
const INTERRUPTED = 130;

/** While open, the first SIGINT asks the command to finish early, and a second one ends the process. */
export class Interrupt {
  #seen = false;
  readonly #listeners = new Set<() => void>();
  readonly #handler = (): void => {
    if (this.#seen) process.exit(INTERRUPTED);
    this.#seen = true;
    for (const listener of this.#listeners) listener();
  };

  constructor() {
    process.on('SIGINT', this.#handler);
  }

  get seen(): boolean {
    return this.#seen;
  }

  /** Calls back on the first SIGINT; the returned function removes the callback. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    process.off('SIGINT', this.#handler);
  }
}
