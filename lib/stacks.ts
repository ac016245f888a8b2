import { EvenkeelError } from './errors';

/**
 * Creates an error whose stack is only its name and message. An error created long after its call would capture a
 * useless stack, and that takes longer than the rest of the operation.
 */
export function withoutStack<E extends Error | undefined>(make: () => E): E {
  const limit = Error.stackTraceLimit;
  // With 0, V8 would capture an empty stack in twice the time. If the limit cannot be set, the stack is kept.
  if (!Reflect.set(Error, 'stackTraceLimit', undefined)) return make();
  try {
    const error = make();
    if (error !== undefined) error.stack = `${error.name}: ${error.message}`;
    return error;
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** Errors that already show a call: an error shared by several operations shows the first one. */
const shown = new WeakSet<object>();

/**
 * Returns the promise; if it rejects with an error of this package, that error's stack becomes the stack of this call.
 */
export function traced<T>(promise: Promise<T>): Promise<T> {
  const origin: { readonly stack?: string } = {};
  Error.captureStackTrace(origin, traced);
  return promise.catch((error: unknown) => {
    if (isOurs(error) && !Object.isFrozen(error) && !shown.has(error)) {
      shown.add(error);
      error.stack = [`${error.name}: ${error.message}`, ...framesOf(origin.stack)].join('\n');
    }
    throw error;
  });
}

/** A transcoder may throw anything, for example a Proxy that throws on access. */
export function isOurs(error: unknown): error is EvenkeelError {
  try {
    return error instanceof EvenkeelError;
  } catch {
    return false;
  }
}

/** The stack frames without the leading ones of this package. */
function framesOf(stack = ''): string[] {
  const frames = stack.split('\n').filter((line) => line.startsWith('    at '));
  const first = frames.findIndex((frame) => !frame.includes(__dirname));
  return first === -1 ? [] : frames.slice(first);
}
