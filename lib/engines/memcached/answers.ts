import { ServerError } from '../../errors';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import type { Claim } from '../../transactions/loading';
import { Kind, type Operation } from '../../transactions/operation';
import { DetailedRecord } from '../../transactions/results';
import type { Completions } from '../network/completions';

/** The result of a successful answer. Throws what the transcoder throws, and ServerError for an invalid answer. */
export function readAnswer(
  operation: Operation,
  completions: Completions,
  native: NativeClient,
  at: number,
): unknown {
  switch (operation.kind) {
    case Kind.get:
    case Kind.getAndTouch:
      return completions.value(native, at);
    case Kind.getRecord:
      return completions.recordResult(completions.value(native, at), at);
    case Kind.upsert:
    case Kind.insert:
    case Kind.replace:
    case Kind.append:
    case Kind.prepend:
      return completions.mutationResult(at);
    default:
      return readOther(operation.kind, completions, native, at);
  }
}

// A separate function, so that V8 inlines the code for the most frequent answers.
function readOther(kind: Kind, completions: Completions, native: NativeClient, at: number): unknown {
  switch (kind) {
    case Kind.getDetails:
      return readDetails(completions, native, at);
    case Kind.getOrLoad:
      return readClaim(completions, native, at);
    case Kind.serverStats:
      return undefined; // its items have been delivered
    case Kind.serverVersions:
      return completions.text(at);
    case Kind.increment:
    case Kind.decrement: {
      const counter = completions.counter(at);
      if (counter === undefined)
        throw new ServerError('the server answered with something that is not a counter');
      return counter;
    }
    default:
      return true; // success without a result
  }
}

function readDetails(completions: Completions, native: NativeClient, at: number): DetailedRecord<unknown> {
  const { records } = completions;
  const ttl = records[at + layout.RECORD_TTL] as number;
  const marks = records[at + layout.RECORD_MARKS] as number;
  return new DetailedRecord(
    completions.value(native, at),
    records[at + layout.RECORD_FLAGS] as number,
    records[at + layout.RECORD_CAS_HIGH] as number,
    records[at + layout.RECORD_CAS_LOW] as number,
    {
      size: records[at + layout.RECORD_VALUE_LENGTH] as number,
      ttl: ttl === layout.NEVER_EXPIRES ? undefined : ttl,
      idle: records[at + layout.RECORD_IDLE] as number,
      wasRead: (marks & layout.MARK_READ) !== 0,
      isStale: (marks & layout.MARK_STALE) !== 0,
    },
  );
}

/** A missing record that somebody has claimed is a placeholder without bytes and flags. */
function readClaim(completions: Completions, native: NativeClient, at: number): Claim {
  const { records } = completions;
  const marks = records[at + layout.RECORD_MARKS] as number;
  const isClaimed = (marks & (layout.MARK_CLAIM_WON | layout.MARK_CLAIM_TAKEN)) !== 0;
  const isEmpty = records[at + layout.RECORD_VALUE_LENGTH] === 0 && records[at + layout.RECORD_FLAGS] === 0;
  const isThere = !(isClaimed && isEmpty);
  return {
    value: isThere ? completions.value(native, at) : undefined,
    isThere,
    isWon: (marks & layout.MARK_CLAIM_WON) !== 0,
    isTaken: (marks & layout.MARK_CLAIM_TAKEN) !== 0,
    casHigh: records[at + layout.RECORD_CAS_HIGH] as number,
    casLow: records[at + layout.RECORD_CAS_LOW] as number,
  };
}
