import { channel, tracingChannel } from 'node:diagnostics_channel';

/**
 * One operation on the tracing channel `evenkeel:operation`. All its messages get the same object, which is filled in
 * during the operation; Node adds `result` or `error`. Keys and results are unredacted: subscribers decide what is
 * private.
 */
export interface OperationTrace {
  /** The method that was called: `get`, `upsert`, `getMany`, `transaction`, … */
  readonly op: string;
  readonly engine: string;
  /** The key as given; an array for `getMany`. undefined for calls without a key. */
  readonly key: unknown;
  /** The number of operations that it counts as: one for each key of `getMany`, otherwise 1. */
  readonly size: number;
  /** The class name, for operations on records of a class. */
  readonly class: string | undefined;
  /** The server, as in `db.topology`; undefined while unknown, and for operations on several servers. */
  node: string | undefined;
  /** How many times a single operation was handed to a server; 0 for others. */
  attempts: number;
  /** The number of keys found, for a successful operation that can miss. */
  hits: number | undefined;
}

/** The channel `evenkeel:connected`: a connection to a server was established. */
export interface ConnectedMessage {
  readonly engine: string;
  readonly node: string;
  /** The version that the server reports. */
  readonly version: string;
}

/**
 * The channels `evenkeel:disconnected`, when the connection to a server is lost, and `evenkeel:connectError`, when an
 * attempt to connect has failed and another follows.
 */
export interface DisconnectedMessage {
  readonly engine: string;
  readonly node: string;
  readonly error: Error;
}

const operations = tracingChannel<unknown, OperationTrace>('evenkeel:operation');
const { start, end, asyncStart, asyncEnd, error } = operations;

/**
 * Whether anybody subscribes to operations. The tracing channel's own check is as long, and missing in some runtimes.
 */
export const isTraced = (): boolean =>
  start.hasSubscribers ||
  asyncEnd.hasSubscribers ||
  error.hasSubscribers ||
  end.hasSubscribers ||
  asyncStart.hasSubscribers;

/** Traces what `run` starts; returns the promise for the caller. */
export const traceOperation = <T>(trace: OperationTrace, run: () => Promise<T>): Promise<T> =>
  operations.tracePromise(run, trace) as Promise<T>;

const connected = channel('evenkeel:connected');
const disconnected = channel('evenkeel:disconnected');
const connectError = channel('evenkeel:connectError');
const topologies = channel('evenkeel:topology');

export function tellConnected(message: ConnectedMessage): void {
  if (connected.hasSubscribers) connected.publish(message);
}

/** `wasConnected`: an established connection ended, as opposed to a failed attempt to connect. */
export function tellDisconnected(message: DisconnectedMessage, wasConnected: boolean): void {
  const told = wasConnected ? disconnected : connectError;
  if (told.hasSubscribers) told.publish(message);
}

export function tellTopology(message: object): void {
  if (topologies.hasSubscribers) topologies.publish(message);
}
