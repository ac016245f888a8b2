import type { ErrorMap } from './error-map';
import type { Reason, RetrySpec } from './retry-policy';

/** The meaning of a status, independent of the operation. */
export interface StatusMeaning {
  /** For messages. */
  readonly name: string;
  /** Why the operation may be retried; undefined: the status is final. */
  readonly reason: Reason | undefined;
  /** The client has to reconnect. */
  readonly endsConnection: boolean;
  /** The configuration may be out of date. */
  readonly isOfOldMap: boolean;
  readonly spec: RetrySpec | undefined;
}

/** The status codes of kv_engine's BinaryProtocol.md. */
export const CouchbaseStatus = {
  success: 0x00,
  keyNotFound: 0x01,
  keyExists: 0x02,
  tooLarge: 0x03,
  invalidArguments: 0x04,
  notStored: 0x05,
  notNumeric: 0x06,
  notMyPartition: 0x07,
  noBucket: 0x08,
  locked: 0x09,
  streamNotFound: 0x0a,
  opaqueNoMatch: 0x0b,
  wouldThrottle: 0x0c,
  configOnly: 0x0d,
  notLocked: 0x0e,
  invalidCas: 0x0f,
  authStale: 0x1f,
  authError: 0x20,
  authContinue: 0x21,
  outOfRange: 0x22,
  rollback: 0x23,
  noAccess: 0x24,
  notInitialized: 0x25,
  noEncryptionKey: 0x26,
  checksumMismatch: 0x27,
  expiryOverflow: 0x28,
  lockExpiryOverflow: 0x29,
  rateLimitedIngress: 0x30,
  rateLimitedEgress: 0x31,
  rateLimitedConnections: 0x32,
  rateLimitedCommands: 0x33,
  bucketTooLarge: 0x35,
  bucketRatioTooLow: 0x36,
  bucketDataTooLarge: 0x37,
  bucketDiskTooSmall: 0x38,
  bucketPaused: 0x50,
  cancelled: 0x51,
  unknownFrameInfo: 0x80,
  unknownCommand: 0x81,
  outOfMemory: 0x82,
  notSupported: 0x83,
  internal: 0x84,
  busy: 0x85,
  temporaryFailure: 0x86,
  invalidXattr: 0x87,
  unknownCollection: 0x88,
  manifestNotApplied: 0x8a,
  unknownScope: 0x8c,
  invalidStreamId: 0x8d,
  durabilityInvalidLevel: 0xa0,
  durabilityImpossible: 0xa1,
  syncWriteInProgress: 0xa2,
  syncWriteAmbiguous: 0xa3,
  syncWriteRecommitInProgress: 0xa4,
  rangeScanCancelled: 0xa5,
  rangeScanMore: 0xa6,
  rangeScanComplete: 0xa7,
  partitionUuidNotEqual: 0xa8,
  pathNotFound: 0xc0,
  pathMismatch: 0xc1,
  pathInvalid: 0xc2,
  pathTooLarge: 0xc3,
  documentTooDeep: 0xc4,
  cannotInsertValue: 0xc5,
  documentNotJson: 0xc6,
  numberOutOfRange: 0xc7,
  invalidDelta: 0xc8,
  pathExists: 0xc9,
  valueTooDeep: 0xca,
  invalidCombination: 0xcb,
  multiPathFailure: 0xcc,
  successOnTombstone: 0xcd,
  invalidXattrFlags: 0xce,
  invalidXattrKeys: 0xcf,
  unknownMacro: 0xd0,
  unknownVirtualAttribute: 0xd1,
  readOnlyVirtualAttribute: 0xd2,
  multiPathFailureOnTombstone: 0xd3,
  invalidXattrOrder: 0xd4,
  unknownVirtualMacro: 0xd5,
  canOnlyReviveTombstones: 0xd6,
  tombstoneWithValue: 0xd7,
  fieldNotBinary: 0xd8,
} as const;

export type StatusName = keyof typeof CouchbaseStatus;

/**
 * Statuses for which the operation was not executed and may be retried. For an unlock, `locked` means a wrong cas and is
 * final; the caller has to distinguish it.
 */
const REASONS: Readonly<Partial<Record<StatusName, Reason>>> = {
  notMyPartition: 'not my partition',
  noBucket: 'bucket not ready',
  notInitialized: 'bucket not ready',
  locked: 'locked',
  wouldThrottle: 'rate limited',
  rateLimitedIngress: 'rate limited',
  rateLimitedEgress: 'rate limited',
  rateLimitedConnections: 'rate limited',
  rateLimitedCommands: 'rate limited',
  configOnly: 'no data here',
  authStale: 'authentication stale',
  cancelled: 'temporary failure',
  outOfMemory: 'temporary failure',
  busy: 'temporary failure',
  temporaryFailure: 'temporary failure',
  unknownCollection: 'collection outdated',
  unknownScope: 'collection outdated',
  syncWriteInProgress: 'sync write in progress',
  syncWriteRecommitInProgress: 'sync write recommit in progress',
};

const ENDING: ReadonlySet<StatusName> = new Set([
  'noBucket',
  'streamNotFound',
  'opaqueNoMatch',
  'authStale',
  'authError',
  'notInitialized',
  'rateLimitedConnections',
  'internal',
]);

const OF_OLD_MAP: ReadonlySet<StatusName> = new Set(['notMyPartition', 'configOnly']);

const MEANINGS: ReadonlyMap<number, StatusMeaning> = new Map(
  (Object.entries(CouchbaseStatus) as [StatusName, number][]).map(([name, status]) => [
    status,
    {
      name: name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
      reason: REASONS[name],
      endsConnection: ENDING.has(name),
      isOfOldMap: OF_OLD_MAP.has(name),
      spec: undefined,
    },
  ]),
);

/** The error map is used only for statuses that are not in CouchbaseStatus. undefined: an unknown status. */
export function meaningOf(status: number, errorMap: ErrorMap | undefined): StatusMeaning | undefined {
  return MEANINGS.get(status) ?? meaningIn(errorMap, status);
}

function meaningIn(errorMap: ErrorMap | undefined, status: number): StatusMeaning | undefined {
  const entry = errorMap?.errors.get(status);
  if (entry === undefined) return undefined;
  const has = (attribute: string): boolean => entry.attributes.has(attribute);
  const mayRetry = !has('no-retry') && (has('retry-now') || has('retry-later') || has('auto-retry'));
  return {
    name: entry.name,
    reason: mayRetry ? 'error map' : undefined,
    // ErrorMap.md: a client that does not handle a special-handling error must drop the connection.
    endsConnection: has('conn-state-invalidated') || has('special-handling'),
    isOfOldMap: has('fetch-config'),
    spec: entry.retry,
  };
}
