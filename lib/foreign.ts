// Type checks that also work for values from other realms, such as a context of node:vm with its own classes, and for
// subclasses that override properties.
import { isNativeError } from 'node:util/types';

/** Whether `await` treats it as a promise, whatever its realm or library. Throws what its getters throw. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

/** When this package is loaded in a context, Node's own errors come from another realm. */
export function isError(value: unknown): value is Error {
  return isNativeError(value) || value instanceof Error;
}

const { apply } = Reflect;
const lengthGetter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length')
  ?.get as () => number;

/** A copy of the actual bytes. Buffer.from() would call valueOf(), and a subclass may override any property. */
export function copyOf(bytes: Uint8Array): Buffer {
  const { buffer, length } = new Uint8Array(bytes);
  return Buffer.from(buffer, 0, length);
}

/** The actual number of bytes, whatever the property says. */
export const lengthOf = (bytes: Uint8Array): number => apply(lengthGetter, bytes, []);
