// What values are that may come from another realm, as a context of node:vm has one: its classes are not those of this one. And
// what a subclass may tell otherwise.
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

const { apply } = Reflect;
const lengthGetter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length')
  ?.get as () => number;

/** A copy of the bytes that there are. Buffer.from() asks valueOf() for others, and a subclass may have anything for a property. */
export function copyOf(bytes: Uint8Array): Buffer {
  const { buffer, length } = new Uint8Array(bytes);
  return Buffer.from(buffer, 0, length);
}

/** How many bytes there are, whatever the property says. */
export const lengthOf = (bytes: Uint8Array): number => apply(lengthGetter, bytes, []);
