/** Exit code of a program ended by SIGINT, by the convention of shells. */
const INTERRUPTED = 130;

/** While it is open, the first SIGINT asks the command to finish early and a second one ends the process. */
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

  /** Calls back at the first SIGINT; the answer takes the callback away again. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    process.off('SIGINT', this.#handler);
  }
}
