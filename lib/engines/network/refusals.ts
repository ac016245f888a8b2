import { invalidArgument } from '../../arguments';
import {
  BackpressureError,
  ClosedError,
  ConnectionError,
  type EvenkeelError,
  InvalidArgumentError,
  ResourceError,
} from '../../errors';
import * as layout from '../../native/layout';

const ARGUMENTS: Readonly<Record<number, readonly [argument: string, message: string]>> = {
  [layout.REFUSED_KEY_TYPE]: ['key', 'key is a string'],
  [layout.REFUSED_KEY_EMPTY]: ['key', 'key is empty'],
  [layout.REFUSED_KEY_FORBIDDEN_BYTE]: ['key', 'key has a space or a control character'],
  [layout.REFUSED_KEY_ILL_FORMED]: ['key', 'key has a lone surrogate, which UTF-8 cannot encode'],
  [layout.REFUSED_VALUE_TYPE]: ['value', 'value is encoded to a string or a Uint8Array'],
  [layout.REFUSED_VALUE_TOO_LARGE]: ['value', 'value is larger than maxValueSize'],
};

/** The error for a REFUSED_… code of an operation `op` that did not start. */
export function refusalError(
  code: number,
  op: string | undefined,
  node: string | undefined,
  longestKey: number,
  limits: { readonly maxInFlight: number; readonly maxQueued: number; readonly maxQueuedBytes: number },
): EvenkeelError {
  if (code === layout.REFUSED_CLOSED) return closedError(node);
  if (code === layout.REFUSED_BACKPRESSURE) {
    const { maxInFlight, maxQueued } = limits;
    const message = `${maxInFlight} operations in flight (maxInFlight) and ${maxQueued} queued (maxQueued) already`;
    return new BackpressureError(message, { context: { op, node } });
  }
  if (code === layout.REFUSED_SHARE) {
    const message =
      'the operations of this server have used up its share of maxInFlight, maxQueued or maxQueuedBytes';
    return new BackpressureError(message, { context: { op, node } });
  }
  if (code === layout.REFUSED_QUEUED_BYTES) {
    const message = `${limits.maxQueuedBytes} bytes (maxQueuedBytes) wait to be written already`;
    return new BackpressureError(message, { context: { op, node } });
  }
  if (code === layout.REFUSED_MEMORY) {
    return new ResourceError('the system has no memory for the value', { context: { op, node } });
  }
  if (code === layout.REFUSED_NO_COPY) {
    const message = 'no server has this copy of the record';
    return new ConnectionError(message, { context: { op, node } });
  }
  if (code === layout.REFUSED_NO_SERVER) {
    const message = 'the server was removed from the list of servers';
    return new ConnectionError(message, { context: { op, node } });
  }
  const [argument, message] =
    code === layout.REFUSED_KEY_TOO_LONG
      ? ['key', `key is longer than ${longestKey} bytes in UTF-8`]
      : (ARGUMENTS[code] ?? ['key', `refused (${code})`]);
  if (op === undefined) return invalidArgument(argument, message);
  return new InvalidArgumentError(message, { context: { op, argument } });
}

export function closedError(node: string | undefined, what = 'the database'): ClosedError {
  return new ClosedError(`${what} is closed`, { context: { node } });
}
