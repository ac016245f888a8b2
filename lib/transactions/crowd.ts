import { clearTimeout, performanceNow, setTimeout } from '../platform';
import { onAbort, reasonOf } from './abort';

/** How long a caller waits. */
export interface Patience {
  /** ms, as performanceNow() counts them. */
  readonly until: number;
  readonly signal: AbortSignal | undefined;
}

export const timeLeft = ({ until }: Patience): number => Math.max(1, Math.ceil(until - performanceNow()));

interface Member<T> {
  resolve(value: T | Promise<T>): void;
  reject(error: unknown): void;
}

/** Callers who wait for the same, each for as long as it likes. */
export class Crowd<T> {
  readonly #members = new Set<Member<T>>();
  #until = 0;

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** Until when somebody may wait; performanceNow()'s ms. */
  get until(): number {
    return this.#until;
  }

  /** Rejects with what `late` makes when the time is over, and with the signal's reason when it aborts. */
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

  /** Who came first gets `first`, if it is given, and all others what `rest` makes for each of them. */
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
