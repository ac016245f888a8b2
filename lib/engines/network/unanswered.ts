import { constants } from 'node:os';
import { mayRetry } from '../../cluster/retry';
import {
  AuthenticationError,
  BackpressureError,
  ClosedError,
  ConnectionError,
  type ErrorContext,
  type EvenkeelError,
  InvalidArgumentError,
  ServerError,
  TimeoutError,
} from '../../errors';
import * as layout from '../../native/layout';
import { causeError } from './causes';

/** An operation that ended without an answer, as described by its completion record. */
export interface Unanswered {
  /** An OUTCOME_… constant other than OUTCOME_ANSWERED. */
  readonly outcome: number;
  /** At least part of it had left the process. */
  readonly written: boolean;
  /** Executing it twice has the same effect as executing it once. */
  readonly idempotent: boolean;
  /** For OUTCOME_LOST and OUTCOME_REFUSED: an errno or CAUSE_…. For OUTCOME_TIMED_OUT: CAUSE_SENT_BACK or 0. */
  readonly cause: number;
  /** For OUTCOME_REFUSED: the size of the value in its answer, in bytes. */
  readonly announced: number;
  /** The largest value to accept, in bytes. */
  readonly maxValueSize: number;
  /** The number of connections that broke while reading the answer to it; for OUTCOME_LOST including this one. */
  readonly blamed: number;
  /** The cause that ended the connection which lost it the previous time; 0: none. */
  readonly lostTo: number;
  /** For OUTCOME_LOST: its deadline has passed. */
  readonly late: boolean;
  /** Why there is no connection, while there is none. */
  readonly fault: Error | undefined;
  /** What was closed, when no new attempt may start. */
  readonly closed: string | undefined;
}

/** Whether to submit it again. Pure. */
export function isAnother(it: Unanswered): boolean {
  if (it.outcome !== layout.OUTCOME_LOST || it.closed !== undefined || hasTimedOut(it)) return false;
  // An operation returned unwritten arrives here when it cannot be encoded for the new protocol.
  const isReturned = it.cause === layout.CAUSE_OTHER_PROTOCOL;
  return !isReturned && !isTakenAway(it) && mayRetry(it);
}

/** Nothing was executed of what came back for one of these; there was no fault. */
const RETURNED: ReadonlySet<number> = new Set([layout.CAUSE_OTHER_PROTOCOL, layout.CAUSE_PARTITIONS]);

/**
 * Among operations with the same deadline, the first to time out may find the connection silent and end it for the
 * others.
 */
function hasTimedOut({ outcome, late, written, cause }: Unanswered): boolean {
  const isDue = late && (written || RETURNED.has(cause));
  return outcome === layout.OUTCOME_TIMED_OUT || (outcome === layout.OUTCOME_LOST && isDue);
}

/** Native code reports in this way that a value's memory was detached before it was sent. */
const isTakenAway = ({ cause, written }: Unanswered): boolean => cause === constants.errno.EFAULT && !written;

/** The error of an operation that is not submitted again. Pure. */
export function unansweredError(it: Unanswered, op: string, context: ErrorContext): EvenkeelError {
  const ambiguous = it.written && !it.idempotent;
  if (hasTimedOut(it)) {
    const hindrance = hindranceOf(it);
    let why = 'no answer within its deadline';
    if (it.fault !== undefined) why = `not connected: ${it.fault.message}`;
    else if (hindrance !== undefined) why = `${why}: ${hindrance.message}`;
    return new TimeoutError(`${op}: ${why}`, { cause: it.fault ?? hindrance, context, ambiguous });
  }
  if (it.outcome === layout.OUTCOME_REFUSED) return refusedError(it, op, context);
  if (it.outcome === layout.OUTCOME_CLOSED) {
    return new ClosedError(`${op}: ${it.closed ?? 'the database'} was closed`, { context, ambiguous });
  }
  if (it.outcome === layout.OUTCOME_OFFLINE) {
    const why = it.fault?.message ?? 'connecting';
    const Kind = it.fault instanceof AuthenticationError ? AuthenticationError : ConnectionError;
    return new Kind(`${op}: not connected: ${why}`, { cause: it.fault, context });
  }
  if (isTakenAway(it)) {
    const message = `${op}: the memory of the value was transferred or resized before it was sent`;
    return new InvalidArgumentError(message, { context: { ...context, argument: 'value' } });
  }
  const cause = causeError(it.cause);
  return new ConnectionError(`${op}: ${cause.message}`, { cause, context, ambiguous });
}

/** What kept an operation that timed out from being answered. */
function hindranceOf({ outcome, cause, lostTo }: Unanswered): Error | undefined {
  const isTold = outcome === layout.OUTCOME_LOST || cause === layout.CAUSE_SENT_BACK;
  const hindrance = isTold ? cause : lostTo;
  return hindrance === 0 ? undefined : causeError(hindrance);
}

/** An answer arrived, and its value was skipped. */
function refusedError(it: Unanswered, op: string, context: ErrorContext): EvenkeelError {
  if (it.cause !== layout.CAUSE_TOO_LARGE)
    return new BackpressureError(`${op}: no memory for a value of ${it.announced} bytes`, { context });
  const message = `${op}: the value has ${it.announced} bytes, more than maxValueSize (${it.maxValueSize}) allows`;
  return new ServerError(message, { context });
}
