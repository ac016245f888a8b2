import type { Timers } from '../../lib/event-base/event-base.ts';

/** Timers whose time passes when the test says so. */
export class ManualTimers implements Timers {
  now = 0;
  readonly #timers = new Map<object, { readonly due: number; readonly callback: () => void }>();

  get waiting(): number {
    return this.#timers.size;
  }

  timer(delay: number, callback: () => void): { cancel(): void; [Symbol.dispose](): void } {
    const cancel = (): void => void this.#timers.delete(registration);
    const registration = { cancel, [Symbol.dispose]: cancel };
    this.#timers.set(registration, { due: this.now + delay, callback });
    return registration;
  }

  /** What is due in this time is called back when it is due, in order; what that starts as well. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.due <= end);
      due.sort(([, some], [, other]) => some.due - other.due);
      const [first] = due;
      if (first === undefined) break;
      const [registration, { due: when, callback }] = first;
      this.#timers.delete(registration);
      this.now = Math.max(this.now, when);
      callback();
    }
    this.now = end;
  }
}
