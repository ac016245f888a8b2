import { EvenkeelError } from './errors';

/**
 * What `make` returns, with its name and message for a stack. Of an error that is made long after the call it ends, the
 * stack that V8 captures leads to nobody, and takes more time than all the rest of the operation.
 */
export function withoutStack<E extends Error | undefined>(make: () => E): E {
  const limit = Error.stackTraceLimit;
  // With 0 V8 would capture none, in twice the time. Where it cannot be set, it stays.
  if (!Reflect.set(Error, 'stackTraceLimit', undefined)) return make();
  try {
    const error = make();
    if (error !== undefined) error.stack = `${error.name}: ${error.message}`;
    return error;
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** Errors that show a call already: one that ends several operations shows the first of them. */
const shown = new WeakSet<object>();

/** The promise; an error of this package that it rejects with shows the stack of this call instead of its own. */
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

/** Of a transcoder may come anything: a Proxy, for instance, which throws when it is asked. */
export function isOurs(error: unknown): error is EvenkeelError {
  try {
    return error instanceof EvenkeelError;
  } catch {
    return false;
  }
}

/** Without those of this package that the stack begins with. */
function framesOf(stack = ''): string[] {
  const frames = stack.split('\n').filter((line) => line.startsWith('    at '));
  const first = frames.findIndex((frame) => !frame.includes(__dirname));
  return first === -1 ? [] : frames.slice(first);
}
