/** Objects that come from one maker only, and are frozen: who meets one need not check it again. */
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
