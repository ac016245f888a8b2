import { mayRetry } from '../retry';

/** Why an operation has not been done. */
export type Reason = keyof typeof POLICY;

/** What is asked for besides, so that the next attempt goes elsewhere. */
export type Refresh = 'configuration' | 'collection';

interface Rule {
  /** The server has said that it did nothing. Otherwise an operation that was written may have been executed. */
  readonly isCertain: boolean;
  readonly pause: 'back-off' | 'hand-over';
  readonly refresh: Refresh | undefined;
}

const certain = (refresh?: Refresh): Rule => ({ isCertain: true, pause: 'back-off', refresh });

/**
 * The policy. What certainly was not executed is tried again until its deadline; what may have been, if doing it twice is as
 * good as doing it once. What is not in it (a missing key, no privilege, a durability that is impossible or ambiguous) is an
 * answer, and nothing to be tried again.
 */
export const POLICY = {
  /** Another server has the partition. This is the pause before the same server is asked again; another one is at once. */
  'not my partition': { isCertain: true, pause: 'hand-over', refresh: 'configuration' },
  /** No server has the partition just now. */
  'no active copy': { isCertain: true, pause: 'hand-over', refresh: 'configuration' },
  /** The server has configurations only, and no data. */
  'no data here': certain('configuration'),
  /** The bucket is not there yet, or not any more, for this connection. */
  'bucket not ready': certain('configuration'),
  /** The number that stands for the collection is not its own any more. */
  'collection outdated': certain('collection'),
  'temporary failure': certain(),
  'rate limited': certain(),
  locked: certain(),
  /** Another durable write of the key is under way. */
  'sync write in progress': certain(),
  'sync write recommit in progress': certain(),
  'authentication stale': certain(),
  /** A status that this client does not know, of which the server's error map says that it may be tried again. */
  'error map': certain(),
  'circuit open': certain(),
  /** There was no connection to write it to. */
  'not connected': certain('configuration'),
  /** The connection ended before the answer. */
  'connection lost': { isCertain: false, pause: 'back-off', refresh: 'configuration' },
} as const satisfies Readonly<Record<string, Rule>>;

/** What a server's error map says of when to try again; ms. */
export interface RetrySpec {
  readonly strategy: 'constant' | 'linear' | 'exponential';
  /** Before the first retry. */
  readonly after: number;
  readonly interval: number;
  /** The longest pause; 0: there is none. */
  readonly ceiling: number;
  /** After which nothing is tried again; 0: there is none. */
  readonly longest: number;
}

/** An operation that has not been done. */
export interface Failure {
  readonly reason: Reason;
  readonly idempotent: boolean;
  /** All of it had been handed to the kernel when it was last tried. */
  readonly written: boolean;
  /** How often it has been tried again. */
  readonly retries: number;
  /** How many connections broke on the very answer to it. */
  readonly blamed: number;
  /** ms until its deadline. */
  readonly remaining: number;
  /** ms since it failed first. */
  readonly spent: number;
  /** Of the error map, for the reason of this name. */
  readonly spec?: RetrySpec | undefined;
}

export type Decision =
  | { readonly action: 'retry'; readonly delay: number; readonly refresh: Refresh | undefined }
  /** `isLate`: for want of time only. `isAmbiguous`: it may have been executed. */
  | { readonly action: 'fail'; readonly isLate: boolean; readonly isAmbiguous: boolean };

const BACK_OFF = [1, 10, 50, 100, 500, 1000] as const;
const SHORTEST_HAND_OVER = 100;
const LONGEST_PAUSE = 1000;
/** Where a server's error map tells of no ceiling. */
const LONGEST_SPECIFIED = 60_000;

/** Whether and when what has not been done is tried again. */
export function decide(failure: Failure): Decision {
  const { reason, idempotent, blamed, spent, spec } = failure;
  const { isCertain, refresh }: Rule = POLICY[reason];
  const written = failure.written && !isCertain;
  const isOver = spec !== undefined && spec.longest > 0 && spent > spec.longest;
  const may = mayRetry({ idempotent, written, late: false, blamed }) && !isOver;
  const delay = pauseOf(failure);
  const isLate = delay >= failure.remaining;
  if (may && !isLate) return { action: 'retry', delay, refresh };
  return { action: 'fail', isLate: may && isLate, isAmbiguous: written && !idempotent };
}

/** ms before it is tried again. */
function pauseOf({ reason, retries, spec }: Failure): number {
  if (spec !== undefined && reason === 'error map') return specifiedPause(spec, retries);
  const rule: Rule = POLICY[reason];
  if (rule.pause === 'hand-over') return Math.min(SHORTEST_HAND_OVER * 2 ** retries, LONGEST_PAUSE);
  return BACK_OFF[retries] ?? LONGEST_PAUSE;
}

/** As kv_engine's ErrorMap.md and Couchbase's mock have it: 'exponential' is the interval to the power of the retries. */
function specifiedPause({ strategy, after, interval, ceiling }: RetrySpec, retries: number): number {
  const pauses = { constant: interval, linear: interval * retries, exponential: interval ** retries };
  const pause = retries === 0 ? after : pauses[strategy];
  return Math.max(1, Math.min(pause, ceiling > 0 ? ceiling : LONGEST_SPECIFIED, LONGEST_SPECIFIED));
}
