/** Frozen objects from a single factory, so that receivers need not check them again. */
export class Made<T extends object> {
  readonly #all = new WeakSet<object>();

  make<U extends T>(object: U): U {
    this.#all.add(object);
    return Object.freeze(object);
  }

  has(value: unknown): value is T {
    return typeof value === 'object' && value !== null && this.#all.has(value);
  }
}
