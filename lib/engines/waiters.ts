/** Callbacks that wait for the same moment, each to be called once. */
export class Waiters {
  readonly #callbacks = new Set<() => void>();

  get isEmpty(): boolean {
    return this.#callbacks.size === 0;
  }

  /** The function that is returned withdraws it. */
  add(callback: () => void): () => void {
    const each = (): void => callback();
    this.#callbacks.add(each);
    return () => void this.#callbacks.delete(each);
  }

  callAll(): void {
    const callbacks = [...this.#callbacks];
    this.#callbacks.clear();
    for (const callback of callbacks) callback();
  }
}
