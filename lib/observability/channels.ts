import { channel, tracingChannel } from 'node:diagnostics_channel';

/**
 * One operation, as the tracing channel `evenkeel:operation` tells of it: all its events get the same object, which is filled
 * in as the operation goes on. Node adds `result` or `error`. Keys and results are as they are: who passes
 * them on decides what of them is private.
 */
export interface OperationTrace {
  /** The method that was called: `get`, `upsert`, `getMany`, `transaction`, … */
  readonly op: string;
  readonly engine: string;
  /** As it was given; an array of `getMany`. undefined where a call names none. */
  readonly key: unknown;
  /** As how many operations it counts: 1, but for `getMany`, which is one for each key. */
  readonly size: number;
  /** Of an operation on the records of a class: its name. */
  readonly class: string | undefined;
  /** The server that it was for, as in `db.topology`; undefined until that is known, and of more than one. */
  node: string | undefined;
  /** How often it was handed to a server, of a single operation; 0 of all others. */
  attempts: number;
  /** Of an operation that can miss and has ended well: how many of its keys were there. */
  hits: number | undefined;
}

/** There is a connection to a server: the channel `evenkeel:connected`. */
export interface ConnectedMessage {
  readonly engine: string;
  readonly node: string;
  /** As the server says it. */
  readonly version: string;
}

/**
 * The channels `evenkeel:disconnected`, when there is no connection to a server any more, and `evenkeel:connectError`, when an
 * attempt to connect has failed; the next one follows.
 */
export interface DisconnectedMessage {
  readonly engine: string;
  readonly node: string;
  readonly error: Error;
}

const operations = tracingChannel<unknown, OperationTrace>('evenkeel:operation');
const { start, end, asyncStart, asyncEnd, error } = operations;

/** Whether anybody wants to know of operations. The tracing channel's own look is as long, and not there on each runtime. */
export const isTraced = (): boolean =>
  start.hasSubscribers ||
  asyncEnd.hasSubscribers ||
  error.hasSubscribers ||
  end.hasSubscribers ||
  asyncStart.hasSubscribers;

/** Tells of what `run` starts; the promise as the caller gets it. */
export const traceOperation = <T>(trace: OperationTrace, run: () => Promise<T>): Promise<T> =>
  operations.tracePromise(run, trace) as Promise<T>;

const connected = channel('evenkeel:connected');
const disconnected = channel('evenkeel:disconnected');
const connectError = channel('evenkeel:connectError');
const topologies = channel('evenkeel:topology');

export function tellConnected(message: ConnectedMessage): void {
  if (connected.hasSubscribers) connected.publish(message);
}

/** `wasConnected`: a connection has ended, and no attempt to make one. */
export function tellDisconnected(message: DisconnectedMessage, wasConnected: boolean): void {
  const told = wasConnected ? disconnected : connectError;
  if (told.hasSubscribers) told.publish(message);
}

export function tellTopology(message: object): void {
  if (topologies.hasSubscribers) topologies.publish(message);
}
