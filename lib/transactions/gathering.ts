import { messageOf } from '../arguments';
import { DecodeError, type EvenkeelError } from '../errors';
import { isOurs } from '../stacks';

/** The results and the errors of an operation on several things. */
export interface PartialResult<T> {
  /** By key; missing records are in neither Map. */
  readonly values: Map<string, T>;
  readonly errors: Map<string, EvenkeelError>;
}

/** Collects the outcomes of many gets into one result. */
export interface Gathering<R> {
  readonly result: R;
  add(key: string, value: unknown): void;
  /** Records the error of one key. Without this method, one error fails the whole call. */
  readonly failed?: (key: string, error: unknown) => void;
  /** Records the error for all keys without an outcome. */
  readonly failRest?: (error: unknown) => void;
}

export class Hits<T> implements Gathering<Map<string, T>> {
  readonly result = new Map<string, T>();

  add(key: string, value: unknown): void {
    if (value !== undefined) this.result.set(key, value as T);
  }
}

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

/** A transcoder may throw anything; callers of getMany() should only see errors of this package. */
function ours(key: string, error: unknown): EvenkeelError {
  if (isOurs(error)) return error;
  const message = `get: the value cannot be decoded: ${messageOf(error)}`;
  return new DecodeError(message, { cause: error, context: { op: 'get', key } });
}
