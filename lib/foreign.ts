// What values are that may come from another realm, as a context of node:vm has one: its classes are not those of this one.
import { isNativeError } from 'node:util/types';

/** Whether it is waited for as a promise is, of whatever realm or library. Throws what a getter of it throws. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

/** Node's own errors are of another realm where this package is loaded in a context. */
export function isError(value: unknown): value is Error {
  return isNativeError(value) || value instanceof Error;
}
