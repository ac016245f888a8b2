import { type Collector, type Details, Kind, Operation } from './operation';

/** What starts and withdraws the operations of a GetMany; the engine's side of it. */
export interface Submitter {
  /** How many more operations would be accepted now. */
  available(): number;
  /** Throws what the call should throw. */
  submit(operation: Operation): void;
  cancel(operation: Operation): void;
}

/**
 * Many gets with one outcome. As many as the client has room for start at once, the rest as room comes free, so that
 * a call of any size is bounded by the same limits as everything else.
 */
export class GetMany<T> implements Collector {
  readonly #found = new Map<string, T>();
  readonly #operations: Operation[] = [];
  #submitter: Submitter | undefined;
  #started = 0;
  #finished = 0;
  #settled = false;
  #resolve: (found: Map<string, T>) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  readonly #promise: Promise<Map<string, T>>;

  constructor(
    readonly keys: readonly string[],
    readonly details: Details | undefined,
  ) {
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get promise(): Promise<Map<string, T>> {
    return this.#promise;
  }

  /** Starts what there is room for. Throws, with nothing started, what the first bad key should throw. */
  start(submitter: Submitter): void {
    this.#submitter = submitter;
    if (this.keys.length === 0) this.#resolve(this.#found);
    else if (submitter.available() === 0) this.#startNext(submitter, 1);
    else this.#startNext(submitter, submitter.available());
  }

  add(operation: Operation, value: unknown): void {
    if (value !== undefined) this.#found.set(operation.key, value as T);
    this.#finish();
  }

  fail(_operation: Operation, error: unknown): void {
    this.#finish();
    this.discard(error);
  }

  /** Rejects, and withdraws what is under way. */
  discard(error: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#withdraw();
    this.#reject(error);
  }

  #finish(): void {
    this.#finished += 1;
    if (this.#settled) return;
    if (this.#finished === this.keys.length) {
      this.#settled = true;
      this.#resolve(this.#found);
      return;
    }
    const room = this.#submitter?.available() ?? 0;
    const waiting = this.keys.length - this.#started;
    // A quarter at a time: one by one would cost a write each.
    const enough = Math.min(waiting, Math.max(1, (this.#started - this.#finished) >> 2));
    if (waiting > 0 && this.#submitter !== undefined && room >= enough) {
      try {
        this.#startNext(this.#submitter, room);
      } catch (error) {
        this.discard(error);
      }
    }
  }

  #startNext(submitter: Submitter, room: number): void {
    const end = Math.min(this.keys.length, this.#started + room);
    try {
      for (; this.#started < end; this.#started += 1) {
        const key = this.keys[this.#started] as string;
        const operation = new Operation(Kind.get, key, undefined, this.details, this);
        submitter.submit(operation);
        this.#operations.push(operation);
      }
    } catch (error) {
      this.#settled = true;
      this.#withdraw();
      throw error;
    }
  }

  #withdraw(): void {
    for (const operation of this.#operations) this.#submitter?.cancel(operation);
  }
}
