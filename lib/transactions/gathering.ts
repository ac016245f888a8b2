import { messageOf } from '../arguments';
import { DecodeError, type EvenkeelError } from '../errors';
import { isOurs } from '../stacks';

/** What could be had of several things, and why the rest could not. */
export interface PartialResult<T> {
  /** By key; what does not exist is in neither Map. */
  readonly values: Map<string, T>;
  readonly errors: Map<string, EvenkeelError>;
}

/** What the outcomes of many gets come to. */
export interface Gathering<R> {
  readonly result: R;
  add(key: string, value: unknown): void;
  /** Takes an error as the outcome of one key. Without it, the error of one ends all. */
  readonly failed?: (key: string, error: unknown) => void;
  /** The same for all keys that have no outcome yet. */
  readonly failRest?: (error: unknown) => void;
}

/** The hits. */
export class Hits<T> implements Gathering<Map<string, T>> {
  readonly result = new Map<string, T>();

  add(key: string, value: unknown): void {
    if (value !== undefined) this.result.set(key, value as T);
  }
}

/** The hits and the failures. */
export class HitsAndFailures<T> implements Gathering<PartialResult<T>> {
  readonly result: PartialResult<T> = { values: new Map(), errors: new Map() };
  readonly #awaited: Set<string>;

  constructor(keys: Iterable<string>) {
    this.#awaited = new Set(keys);
  }

  add(key: string, value: unknown): void {
    this.#awaited.delete(key);
    if (value !== undefined) this.result.values.set(key, value as T);
  }

  readonly failed = (key: string, error: unknown): void => {
    this.#awaited.delete(key);
    this.result.errors.set(key, ours(key, error));
  };

  readonly failRest = (error: unknown): void => {
    for (const key of this.#awaited) this.failed(key, error);
  };
}

/** A transcoder may throw anything, and whoever reads the errors of many keys wants them alike. */
function ours(key: string, error: unknown): EvenkeelError {
  if (isOurs(error)) return error;
  const message = `get: the value cannot be decoded: ${messageOf(error)}`;
  return new DecodeError(message, { cause: error, context: { op: 'get', key } });
}
