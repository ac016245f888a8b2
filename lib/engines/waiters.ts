/** One-shot callbacks for the same moment. */
export class Waiters {
  readonly #callbacks = new Set<() => void>();

  get isEmpty(): boolean {
    return this.#callbacks.size === 0;
  }

  /** The returned function removes the callback. */
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
