import { invalidArgument } from '../../arguments';
import {
  BackpressureError,
  ClosedError,
  ConnectionError,
  type EvenkeelError,
  InvalidArgumentError,
  ResourceError,
  UnsupportedError,
} from '../../errors';
import * as layout from '../../native/layout';
import type { CollectionName } from '../../transactions/documents';
import { nameOf, type Operation } from '../../transactions/operation';
import type { Cluster } from './cluster';
import type { Dialect } from './dialect';

const ARGUMENTS: Readonly<Record<number, readonly [argument: string, message: string]>> = {
  [layout.REFUSED_KEY_TYPE]: ['key', 'key is a string'],
  [layout.REFUSED_KEY_EMPTY]: ['key', 'key is empty'],
  [layout.REFUSED_KEY_FORBIDDEN_BYTE]: ['key', 'key has a space or a control character'],
  [layout.REFUSED_KEY_ILL_FORMED]: ['key', 'key has a lone surrogate, which UTF-8 cannot encode'],
  [layout.REFUSED_VALUE_TYPE]: ['value', 'value is encoded to a string or a Uint8Array'],
  [layout.REFUSED_VALUE_TOO_LARGE]: ['value', 'value is larger than maxValueSize'],
};

interface Limits {
  readonly maxInFlight: number;
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
}

/** Why operations do not start. */
export class Refusals {
  readonly #cluster: Cluster;
  readonly #dialect: Dialect;
  readonly #limits: Limits;

  constructor(cluster: Cluster, dialect: Dialect, limits: Limits) {
    this.#cluster = cluster;
    this.#dialect = dialect;
    this.#limits = limits;
  }

  /** `code`: a REFUSED_… constant. */
  errorOf(operation: Operation, code: number): EvenkeelError {
    if (code === layout.REFUSED_OPERATION) return this.#unsupported(operation, this.#dialect.noSuchOperation);
    return this.#error(code, nameOf(operation.kind), operation.collection);
  }

  /** Of a call that is only checked. */
  errorOfCheck(code: number, collection: CollectionName | undefined): EvenkeelError {
    return this.#error(code, undefined, collection);
  }

  /**
   * The CODE_… bits of an operation that chooses the record's version. Throws UnsupportedError where the server is known not to
   * accept that. A key without a server is refused for that.
   */
  newCasBits(operation: Operation): number {
    const found = this.#cluster.speakerOf(operation);
    const takes = found === undefined || this.#dialect.takesNewCas(found.wire, found.version);
    if (takes === false && found?.isKnown !== false)
      throw this.#unsupported(operation, this.#dialect.noNewCas);
    return takes === true ? layout.CODE_SETS_CAS : layout.CODE_SETS_CAS | layout.CODE_WAITS;
  }

  #error(code: number, op: string | undefined, collection: CollectionName | undefined): EvenkeelError {
    const longestKey = this.#dialect.longestKey(collection);
    return refusalError(code, op, this.#cluster.onlyName, longestKey, this.#limits);
  }

  #unsupported(operation: Operation, reason: string): UnsupportedError {
    const { kind, key, details } = operation;
    const op = nameOf(kind);
    const { name: node = details?.server, wire, version } = this.#cluster.speakerOf(operation) ?? {};
    const which = version === undefined ? `${node}, whose version is not known,` : `${node} (${version})`;
    const message = `${op}: ${reason}, and ${which} is spoken to in the ${wire} protocol`;
    return new UnsupportedError(message, { context: { op, key, node } });
  }
}

/** It may be different soon, and is no fault of the call. */
export const isOfTheMoment = (refused: unknown): boolean =>
  refused instanceof BackpressureError || refused instanceof ConnectionError;

/** The error for a REFUSED_… code of an operation `op` that did not start. */
export function refusalError(
  code: number,
  op: string | undefined,
  node: string | undefined,
  longestKey: number,
  limits: Limits,
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
