import { ClusterStatus } from './protocol';

/** Names and attributes as current servers send them, without retry specifications. */
const ATTRIBUTES: readonly (readonly [status: number, name: string, attributes: string])[] = [
  [ClusterStatus.success, 'SUCCESS', 'success'],
  [ClusterStatus.keyNotFound, 'KEY_ENOENT', 'item-only'],
  [ClusterStatus.keyExists, 'KEY_EEXISTS', 'item-only'],
  [ClusterStatus.tooLarge, 'E2BIG', 'item-only invalid-input'],
  [ClusterStatus.invalidArguments, 'EINVAL', 'internal invalid-input'],
  [ClusterStatus.notStored, 'NOT_STORED', 'internal item-only'],
  [ClusterStatus.nonNumeric, 'DELTA_BADVAL', 'item-only invalid-input'],
  [ClusterStatus.notMyVbucket, 'NOT_MY_VBUCKET', 'fetch-config invalid-input'],
  [ClusterStatus.noBucket, 'NO_BUCKET', 'conn-state-invalidated'],
  [ClusterStatus.locked, 'LOCKED', 'item-locked item-only retry-now'],
  [ClusterStatus.configOnly, 'CONFIG_ONLY', 'fetch-config retry-now'],
  [ClusterStatus.notLocked, 'NOT_LOCKED', 'item-only'],
  [ClusterStatus.authError, 'AUTH_ERROR', 'conn-state-invalidated auth'],
  [ClusterStatus.authContinue, 'AUTH_CONTINUE', 'special-handling'],
  [ClusterStatus.rangeError, 'ERANGE', 'invalid-input'],
  [ClusterStatus.rollback, 'ROLLBACK', 'dcp special-handling'],
  [ClusterStatus.accessDenied, 'EACCESS', 'support'],
  [ClusterStatus.unknownFrameInfo, 'UNKNOWN_FRAME_INFO', 'support'],
  [ClusterStatus.unknownCommand, 'UNKNOWN_COMMAND', 'support'],
  [ClusterStatus.outOfMemory, 'ENOMEM', 'temp retry-later'],
  [ClusterStatus.notSupported, 'NOT_SUPPORTED', 'support'],
  [ClusterStatus.busy, 'EBUSY', 'temp retry-now'],
  [ClusterStatus.temporaryFailure, 'ETMPFAIL', 'temp retry-now'],
  [ClusterStatus.xattrInvalid, 'XATTR_EINVAL', 'invalid-input'],
  [ClusterStatus.unknownCollection, 'UNKNOWN_COLLECTION', 'invalid-input'],
  [ClusterStatus.unknownScope, 'UNKNOWN_SCOPE', 'invalid-input'],
  [ClusterStatus.durabilityInvalidLevel, 'DURABILITY_INVALID_LEVEL', 'invalid-input'],
  [ClusterStatus.durabilityImpossible, 'DURABILITY_IMPOSSIBLE', 'item-only invalid-input'],
  [ClusterStatus.syncWriteInProgress, 'SYNC_WRITE_IN_PROGRESS', 'item-only retry-later'],
  [ClusterStatus.syncWriteAmbiguous, 'SYNC_WRITE_AMBIGUOUS', 'item-only'],
  [ClusterStatus.pathNotFound, 'SUBDOC_PATH_ENOENT', 'subdoc item-only'],
  [ClusterStatus.pathMismatch, 'SUBDOC_PATH_MISMATCH', 'subdoc item-only'],
  [ClusterStatus.pathInvalid, 'SUBDOC_PATH_EINVAL', 'subdoc invalid-input'],
  [ClusterStatus.documentNotJson, 'SUBDOC_DOC_NOTJSON', 'subdoc item-only'],
  [ClusterStatus.pathExists, 'SUBDOC_PATH_EEXISTS', 'subdoc item-only'],
  [ClusterStatus.multiPathFailure, 'SUBDOC_MULTI_PATH_FAILURE', 'subdoc special-handling'],
];

export const ERROR_MAP: string = JSON.stringify({
  version: 2,
  revision: 9,
  errors: Object.fromEntries(
    ATTRIBUTES.map(([status, name, attributes]) => [
      status.toString(16),
      { name, desc: name.toLowerCase().replaceAll('_', ' '), attrs: attributes.split(' ') },
    ]),
  ),
});
