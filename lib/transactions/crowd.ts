import { clearTimeout, performanceNow, setTimeout } from '../platform';
import { onAbort, reasonOf } from './abort';

/** How long one caller waits. */
export interface Patience {
  /** A time of performanceNow(), in ms. */
  readonly until: number;
  readonly signal: AbortSignal | undefined;
}

export const timeLeft = ({ until }: Patience): number => Math.max(1, Math.ceil(until - performanceNow()));

interface Member<T> {
  resolve(value: T | Promise<T>): void;
  reject(error: unknown): void;
}

/** Callers that wait for the same outcome, each with its own deadline and signal. */
export class Crowd<T> {
  readonly #members = new Set<Member<T>>();
  #until = 0;

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** The latest deadline so far, as a time of performanceNow() in ms. */
  get until(): number {
    return this.#until;
  }

  /** Rejects with the error from `late` at the deadline, and with the signal's reason when it aborts. */
  join(patience: Patience, late: () => Error): Promise<T> {
    this.#until = Math.max(this.#until, patience.until);
    const { signal } = patience;
    if (signal?.aborted) return Promise.reject(reasonOf(signal));
    return new Promise<T>((resolve, reject) => {
      let stopListening: (() => void) | undefined;
      const leave = (): void => {
        this.#members.delete(member);
        clearTimeout(timer);
        stopListening?.();
      };
      const member: Member<T> = {
        resolve: (value) => {
          leave();
          resolve(value);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      const timer = setTimeout(() => member.reject(late()), timeLeft(patience));
      this.#members.add(member);
      if (signal !== undefined) stopListening = onAbort(signal, member.reject);
    });
  }

  /** The first member gets `first`, if given; each other one gets its own result of `rest`. */
  resolveAll(rest: () => T | Promise<T>, first?: T): void {
    let isFirst = first !== undefined;
    for (const member of [...this.#members]) {
      member.resolve(isFirst ? (first as T) : rest());
      isFirst = false;
    }
  }

  rejectAll(error: unknown): void {
    for (const member of [...this.#members]) member.reject(error);
  }
}
