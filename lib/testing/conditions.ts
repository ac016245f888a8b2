interface Waiter {
  readonly holds: () => boolean;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** Promises that resolve once a condition over the owner's state holds; the owner calls `check` when it changes. */
export class Conditions {
  #waiters: Waiter[] = [];

  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ holds, resolve, reject });
    });
  }

  check(): void {
    if (this.#waiters.length === 0) return;
    const waiting = this.#waiters;
    this.#waiters = waiting.filter((waiter) => !waiter.holds());
    for (const waiter of waiting) if (!this.#waiters.includes(waiter)) waiter.resolve();
  }

  /** Rejects everything still waiting. */
  abandon(reason: Error): void {
    const waiting = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiting) waiter.reject(reason);
  }
}
