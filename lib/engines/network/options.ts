import { checkFlag, checkOptions, checkTimeout, invalidArgument, optionNames, shown } from '../../arguments';
import { resolveTls, type Tls, type TlsOptions } from '../../cluster/tls';
import type { NativeClientOptions } from '../../native/addon';
import { MAX_SLOTS, OFFLINE_FAIL, OFFLINE_FAIL_WHEN_DOWN, OFFLINE_WAIT } from '../../native/layout';

/** How a client behaves toward its servers. All times are in milliseconds. */
export interface ClientOptions {
  /** The default deadline of operations. Default 2500. */
  readonly timeout?: number | undefined;
  /**
   * How long one attempt to connect may take, and connect() as a whole. It rejects sooner when the peer does not speak
   * the engine's protocol. Default 2000.
   */
  readonly connectTimeout?: number | undefined;
  /**
   * The pause between the starts of two attempts to connect. It doubles from `min` to `max` with each failure; half of
   * it is random. Default 50 and 2000.
   */
  readonly backoff?: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  /** Connections to each server: an integer from 1 to 32. All operations on a key use the same one. Default 1. */
  readonly connectionsPerNode?: number | undefined;
  /**
   * ms between two lookups of the servers' names, in addition to those after a connection ends. Established connections
   * are kept. Infinity: no periodic lookups. Default 60000.
   */
  readonly resolveInterval?: number | undefined;
  /** Operations written to a server but not answered; further ones are queued. Default 16384. */
  readonly maxInFlight?: number | undefined;
  /** Operations queued beyond `maxInFlight`; further ones reject with BackpressureError. Default 131072. */
  readonly maxQueued?: number | undefined;
  /**
   * Bytes of requests waiting to be written (keys, values and about 24 bytes each). When this many wait, further
   * operations reject with BackpressureError; the last one accepted may exceed the limit. Default 256 MiB.
   */
  readonly maxQueuedBytes?: number | undefined;
  /**
   * What happens to operations while there is no connection to their server. true: they wait within their deadlines.
   * false: they reject. 'until-down': they wait until an attempt to connect has failed. Default true for one server,
   * 'until-down' for several.
   */
  readonly offlineQueue?: boolean | 'until-down' | undefined;
  /** The largest value to send or accept, in bytes; reading a larger one rejects with ServerError. Default 32 MiB. */
  readonly maxValueSize?: number | undefined;
  /**
   * A connection is replaced when it has been silent for this long and an operation on it has timed out. Default:
   * `timeout`.
   */
  readonly silenceTimeout?: number | undefined;
  /**
   * Whether and how connections are encrypted; true for Node's defaults. Default false, or true for `memcacheds://`.
   */
  readonly tls?: boolean | TlsOptions | undefined;
  /**
   * true: writes at the end of each tick. false: writes only on flush(); resent operations, and the rest of a getMany
   * beyond the limits, are still written automatically. Default true.
   */
  readonly implicitFlush?: boolean | undefined;
}

export type ResolvedClientOptions = Required<Omit<ClientOptions, 'backoff' | 'tls'>> & {
  readonly tls: Tls | undefined;
  readonly backoff: { readonly min: number; readonly max: number };
};

const BACKOFF = optionNames<NonNullable<ClientOptions['backoff']>>({ min: true, max: true });
/** Of 1024 servers, and as many that are being replaced, all connections can be numbered in 16 bits. */
const MOST_CONNECTIONS = 32;
const LARGEST_VALUE = 1 << 30;
/** Of NativeClientOptions.slow. */
export const NOTHING_IS_SLOW = 0xffffffff;

export function resolveClientOptions(
  given: ClientOptions,
  usualOfflineQueue: ResolvedClientOptions['offlineQueue'],
): ResolvedClientOptions {
  const {
    timeout = 2500,
    connectTimeout = 2000,
    backoff = {},
    connectionsPerNode = 1,
    resolveInterval = 60_000,
    maxInFlight = 16384,
    maxQueued = 131072,
    maxQueuedBytes = 256 << 20,
    offlineQueue = usualOfflineQueue,
    maxValueSize = 32 << 20,
    silenceTimeout = timeout,
    implicitFlush = true,
    tls,
  } = given;
  const resolved = {
    timeout: checkTimeout(timeout),
    connectTimeout: checkTimeout(connectTimeout, 'connectTimeout'),
    backoff: checkBackoff(backoff),
    connectionsPerNode: checkCount('connectionsPerNode', connectionsPerNode, 1, MOST_CONNECTIONS),
    resolveInterval:
      resolveInterval === Number.POSITIVE_INFINITY
        ? resolveInterval
        : checkTimeout(resolveInterval, 'resolveInterval'),
    maxInFlight: checkCount('maxInFlight', maxInFlight, 1, MAX_SLOTS),
    maxQueued: checkCount('maxQueued', maxQueued, 0, MAX_SLOTS),
    maxQueuedBytes: checkCount('maxQueuedBytes', maxQueuedBytes, 1, Number.MAX_SAFE_INTEGER),
    offlineQueue: offlineQueue === 'until-down' ? offlineQueue : checkFlag('offlineQueue', offlineQueue),
    maxValueSize: checkCount('maxValueSize', maxValueSize, 1, LARGEST_VALUE),
    silenceTimeout: checkTimeout(silenceTimeout, 'silenceTimeout'),
    implicitFlush: checkFlag('implicitFlush', implicitFlush),
    tls: resolveTls(tls),
  };
  if (maxInFlight + maxQueued > MAX_SLOTS)
    throw invalidArgument('maxQueued', `maxInFlight and maxQueued are ${MAX_SLOTS} together at most`);
  return resolved;
}

/** `slow`: the duration in ms from which an operation is slow; undefined when they are not reported. */
export function nativeOptionsOf(
  options: ResolvedClientOptions,
  slow: number | undefined,
): NativeClientOptions {
  return {
    connectTimeout: options.connectTimeout,
    backoffMin: options.backoff.min,
    backoffMax: options.backoff.max,
    silenceLimit: options.silenceTimeout,
    tls: options.tls?.context,
    offline: offlineOf(options.offlineQueue),
    connections: options.connectionsPerNode,
    maxWritten: Math.ceil(options.maxInFlight / options.connectionsPerNode),
    maxOperations: options.maxInFlight + options.maxQueued,
    maxQueuedBytes: options.maxQueuedBytes,
    slow: slow === undefined ? NOTHING_IS_SLOW : slow * 1000,
    maxValue: options.maxValueSize,
    isBackground: false,
  };
}

function offlineOf(offlineQueue: ResolvedClientOptions['offlineQueue']): number {
  if (offlineQueue === 'until-down') return OFFLINE_FAIL_WHEN_DOWN;
  return offlineQueue ? OFFLINE_WAIT : OFFLINE_FAIL;
}

function checkBackoff(given: NonNullable<ClientOptions['backoff']>): ResolvedClientOptions['backoff'] {
  checkOptions(given, BACKOFF, 'backoff');
  const min = checkTimeout(given.min === undefined ? 50 : given.min, 'backoff.min');
  const max = checkTimeout(given.max === undefined ? Math.max(2000, min) : given.max, 'backoff.max');
  if (max < min) throw invalidArgument('backoff', `backoff.max (${max}) is less than backoff.min (${min})`);
  return { min, max };
}

function checkCount(argument: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw invalidArgument(
      argument,
      `${argument} is a whole number from ${least} to ${most}, not ${shown(value)}`,
    );
  }
  return value;
}
