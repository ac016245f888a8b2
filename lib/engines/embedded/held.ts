import type { Environment } from './environment';
import type { Hold } from './hold';
import { type Snapshot, storageError } from './lmdb';

/**
 * An iterator over a snapshot. The snapshot is taken at the first next() and released at the end, by return(), when the
 * iterator is collected, or when the environment is closed; next() then throws ClosedError.
 */
export class HeldIterator<T> implements Iterator<T> {
  readonly #environment: Environment;
  readonly #purpose: string;
  readonly #place: string | undefined;
  readonly #read: (snapshot: Snapshot) => Iterator<T>;
  #hold: Hold | undefined;
  #found: Iterator<T> | undefined;
  #isOver = false;

  /** `read` must not reference the owner of this iterator. */
  constructor(
    environment: Environment,
    purpose: string,
    place: string | undefined,
    read: (snapshot: Snapshot) => Iterator<T>,
  ) {
    this.#environment = environment;
    this.#purpose = purpose;
    this.#place = place;
    this.#read = read;
  }

  next(): IteratorResult<T> {
    if (this.#isOver) return { done: true, value: undefined };
    if (this.#found === undefined || this.#hold === undefined) {
      this.#hold = this.#environment.snapshot(this, this.#purpose, this.#place);
      this.#found = this.#hold.begin(this.#read(this.#hold.transaction));
    } else if (this.#hold.isOver) {
      this.#environment.assertOpen();
    }
    try {
      const next = this.#found.next();
      if (next.done) this.return();
      return next;
    } catch (error) {
      this.return();
      throw storageError(error, this.#environment.path);
    }
  }

  return(): IteratorResult<T> {
    this.#isOver = true;
    this.#hold?.done();
    return { done: true, value: undefined };
  }
}
