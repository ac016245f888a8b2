import type { CollectionName } from './documents';
import type { Details, Operation } from './operation';

/** The engine's side of a compound: starts and cancels its operations. */
export interface Submitter {
  /** The default timeout of operations, in ms. */
  readonly timeout: number;
  /** How many more operations would be accepted now. */
  available(): number;
  /** Throws what submitting a get of this key would throw. */
  check(key: string, value: undefined, collection: CollectionName | undefined): void;
  /** Throws what the call should throw. */
  submit(operation: Operation): void;
  cancel(operation: Operation): void;
  /** Calls `proceed` whenever operations have ended, until stopWaiting(). */
  wait(waiting: Waiting): void;
  stopWaiting(waiting: Waiting): void;
}

/** An operation of several steps, some of which have not started. */
export interface Waiting {
  /**
   * There may be room for more. Operations submitted here continue a call under way, so they neither wait for flush()
   * nor need the database to be open.
   */
  proceed(): void;
  /** Everything that has not ended fails with the error. */
  giveUp(error: unknown): void;
}

/** Several operations with one outcome. */
export interface Compound<R> {
  /** The method the user called. */
  readonly op: string;
  readonly keys: readonly string[];
  /** The maximum number of operations. */
  readonly size: number;
  readonly details: Details | undefined;
  /** The collection of all its keys; set before it starts. */
  collection: CollectionName | undefined;
  readonly promise: Promise<R>;
  /** The number of keys found so far. */
  readonly hits: number;
  /**
   * Starts as many operations as there is room for. Throws the error of the first bad key before anything has started.
   */
  start(submitter: Submitter): void;
  /** Rejects, and cancels what is under way. */
  discard(error: unknown): void;
}
