import { mayRetry } from '../retry';

/** Why an attempt failed. */
export type Reason = keyof typeof POLICY;

/** What to refresh before the next attempt. */
export type Refresh = 'configuration' | 'collection';

interface Rule {
  /** The operation was certainly not executed. Otherwise it may have been executed if it was written. */
  readonly isCertain: boolean;
  readonly pause: 'back-off' | 'hand-over';
  readonly refresh: Refresh | undefined;
}

const certain = (refresh?: Refresh): Rule => ({ isCertain: true, pause: 'back-off', refresh });

/**
 * The retry policy. An operation that was certainly not executed is retried until its deadline; one that may have been
 * executed is retried only if it is idempotent. All other outcomes (a missing key, a missing privilege, a durability
 * level that is impossible or whose result is ambiguous) are final.
 */
export const POLICY = {
  /**
   * Another server has the partition. The pause applies before the same server is tried again; another one is tried at
   * once.
   */
  'not my partition': { isCertain: true, pause: 'hand-over', refresh: 'configuration' },
  /** At the moment no server has the partition. */
  'no active copy': { isCertain: true, pause: 'hand-over', refresh: 'configuration' },
  /** The node serves configurations but no data. */
  'no data here': certain('configuration'),
  /** The bucket is warming up, or no longer selected on the connection. */
  'bucket not ready': certain('configuration'),
  /** The id of the collection is no longer valid. */
  'collection outdated': certain('collection'),
  'temporary failure': certain(),
  'rate limited': certain(),
  locked: certain(),
  /** Another durable write of the key is in progress. */
  'sync write in progress': certain(),
  'sync write recommit in progress': certain(),
  'authentication stale': certain(),
  /** An unknown status that the server's error map declares retryable. */
  'error map': certain(),
  'circuit open': certain(),
  /** There was no connection, so nothing was written. */
  'not connected': certain('configuration'),
  /** The connection ended before the answer. */
  'connection lost': { isCertain: false, pause: 'back-off', refresh: 'configuration' },
} as const satisfies Readonly<Record<string, Rule>>;

/** The retry specification of an error map. Times are in ms. */
export interface RetrySpec {
  readonly strategy: 'constant' | 'linear' | 'exponential';
  /** The pause before the first retry. */
  readonly after: number;
  readonly interval: number;
  /** The longest pause; 0: no limit. */
  readonly ceiling: number;
  /** No retries after this time; 0: no limit. */
  readonly longest: number;
}

/** A failed attempt. */
export interface Failure {
  readonly reason: Reason;
  readonly idempotent: boolean;
  /** The request was handed to the kernel completely. */
  readonly written: boolean;
  /** Retries so far. */
  readonly retries: number;
  /** Connections that broke on the answer to this operation. */
  readonly blamed: number;
  /** ms until the deadline. */
  readonly remaining: number;
  /** ms since the first failure. */
  readonly spent: number;
  /** For the reason 'error map'. */
  readonly spec?: RetrySpec | undefined;
}

export type Decision =
  | { readonly action: 'retry'; readonly delay: number; readonly refresh: Refresh | undefined }
  /** `isLate`: only the deadline prevents a retry. `isAmbiguous`: the operation may have been executed. */
  | { readonly action: 'fail'; readonly isLate: boolean; readonly isAmbiguous: boolean };

const BACK_OFF = [1, 10, 50, 100, 500, 1000] as const;
const SHORTEST_PAUSE = 1;
const SHORTEST_HAND_OVER = 100;
const LONGEST_PAUSE = 1000;
/** ms for the last attempt, where there are twice as many; otherwise half of the remaining time. */
const LAST_ATTEMPT = 20;
/** The limit of every pause of an error map. */
const LONGEST_SPECIFIED = 60_000;

/** Whether and when to retry. */
export function decide(failure: Failure): Decision {
  const { reason, idempotent, blamed, spent, spec } = failure;
  const { isCertain, refresh }: Rule = POLICY[reason];
  const written = failure.written && !isCertain;
  const isOver = spec !== undefined && spec.longest > 0 && spent > spec.longest;
  const may = mayRetry({ idempotent, written, late: false, blamed }) && !isOver;
  const latest = latestPause(failure.remaining);
  const delay = Math.min(pauseOf(failure), latest);
  const isLate = latest < SHORTEST_PAUSE;
  if (may && !isLate) return { action: 'retry', delay, refresh };
  return { action: 'fail', isLate: may && isLate, isAmbiguous: written && !idempotent };
}

/** The longest pause in ms that leaves time for another attempt. */
const latestPause = (remaining: number): number => Math.max(remaining - LAST_ATTEMPT, remaining / 2);

/** The pause before the next attempt in ms, if there is time. */
function pauseOf({ reason, retries, spec }: Failure): number {
  if (spec !== undefined && reason === 'error map') return specifiedPause(spec, retries);
  const rule: Rule = POLICY[reason];
  if (rule.pause === 'hand-over') return Math.min(SHORTEST_HAND_OVER * 2 ** retries, LONGEST_PAUSE);
  return BACK_OFF[retries] ?? LONGEST_PAUSE;
}

/** 'exponential' is interval to the power of retries, as CouchbaseMock verifies it. */
function specifiedPause({ strategy, after, interval, ceiling }: RetrySpec, retries: number): number {
  const pauses = { constant: interval, linear: interval * retries, exponential: interval ** retries };
  const pause = retries === 0 ? after : pauses[strategy];
  return Math.max(1, Math.min(pause, ceiling > 0 ? ceiling : LONGEST_SPECIFIED, LONGEST_SPECIFIED));
}
