/** Keeps the last `capacity` items; adding one more drops the oldest. */
export class Ring<T> {
  readonly #slots: (T | undefined)[];
  #oldest = 0;
  #size = 0;

  constructor(capacity: number) {
    this.#slots = new Array<T | undefined>(capacity).fill(undefined);
  }

  get size(): number {
    return this.#size;
  }

  put(thing: T): void {
    const capacity = this.#slots.length;
    this.#slots[(this.#oldest + this.#size) % capacity] = thing;
    if (this.#size < capacity) this.#size++;
    else this.#oldest = (this.#oldest + 1) % capacity;
  }

  takeOldest(): T | undefined {
    if (this.#size === 0) return undefined;
    const thing = this.#slots[this.#oldest];
    this.#slots[this.#oldest] = undefined;
    this.#oldest = (this.#oldest + 1) % this.#slots.length;
    this.#size--;
    return thing;
  }

  takeNewest(): T | undefined {
    if (this.#size === 0) return undefined;
    this.#size--;
    const newest = (this.#oldest + this.#size) % this.#slots.length;
    const thing = this.#slots[newest];
    this.#slots[newest] = undefined;
    return thing;
  }
}
