import { Opcode, REQUEST_MAGIC, RESPONSE_MAGIC, Status } from '../protocol';

/**
 * Numbers of Couchbase's key-value protocol (kv_engine's `docs/BinaryProtocol.md`, `mcbp/protocol`) beyond those of memcached's,
 * written here a second time on purpose: the cluster is the oracle of the native codec and shares nothing with it.
 */

export { HEADER_BYTES, MAX_KEY_BYTES, MAX_RELATIVE_SECONDS, NO_CREATE } from '../protocol';

/** The longest key in collections other than the default one: the longest collection id is taken off. */
export const MAX_KEY_BYTES_ELSEWHERE = 246;
export const MAX_VALUE_BYTES = 20 * 1024 * 1024;

export const Magic = {
  request: REQUEST_MAGIC,
  response: RESPONSE_MAGIC,
  altRequest: 0x08,
  altResponse: 0x18,
  serverRequest: 0x82,
  serverResponse: 0x83,
} as const;

const { flush, flushq, verbosity, gatk, gatkq, ...COMMON } = Opcode;

export const ClusterOpcode = {
  ...COMMON,
  hello: 0x1f,
  getAllVbSeqnos: 0x48,
  dcpOpen: 0x50,
  dcpCloseStream: 0x52,
  dcpStreamRequest: 0x53,
  dcpGetFailoverLog: 0x54,
  dcpStreamEnd: 0x55,
  dcpSnapshotMarker: 0x56,
  dcpMutation: 0x57,
  dcpDeletion: 0x58,
  dcpExpiration: 0x59,
  dcpNoop: 0x5c,
  dcpBufferAck: 0x5d,
  dcpControl: 0x5e,
  dcpSystemEvent: 0x5f,
  dcpSeqnoAdvanced: 0x64,
  dcpOsoSnapshot: 0x65,
  getReplica: 0x83,
  listBuckets: 0x87,
  selectBucket: 0x89,
  observeSeqno: 0x91,
  observe: 0x92,
  getLocked: 0x94,
  unlock: 0x95,
  getFailoverLog: 0x96,
  getMeta: 0xa0,
  getMetaq: 0xa1,
  getClusterConfig: 0xb5,
  getRandomKey: 0xb6,
  collectionsGetManifest: 0xba,
  collectionsGetId: 0xbb,
  collectionsGetScopeId: 0xbc,
  subdocGet: 0xc5,
  subdocExists: 0xc6,
  subdocDictAdd: 0xc7,
  subdocDictUpsert: 0xc8,
  subdocDelete: 0xc9,
  subdocReplace: 0xca,
  subdocArrayPushLast: 0xcb,
  subdocArrayPushFirst: 0xcc,
  subdocArrayInsert: 0xcd,
  subdocArrayAddUnique: 0xce,
  subdocCounter: 0xcf,
  subdocMultiLookup: 0xd0,
  subdocMultiMutation: 0xd1,
  subdocGetCount: 0xd2,
  subdocReplaceBodyWithXattr: 0xd3,
  rangeScanCreate: 0xda,
  rangeScanContinue: 0xdb,
  rangeScanCancel: 0xdc,
  getErrorMap: 0xfe,
} as const;

export type ClusterOpcodeName = keyof typeof ClusterOpcode;

/** Requests of the server's, under the magic 0x82. */
export const ServerOpcode = { clusterMapChange: 0x01 } as const;

export const ClusterStatus = {
  ...Status,
  notMyVbucket: 0x07,
  noBucket: 0x08,
  locked: 0x09,
  dcpStreamNotFound: 0x0a,
  configOnly: 0x0d,
  notLocked: 0x0e,
  rangeError: 0x22,
  rollback: 0x23,
  accessDenied: 0x24,
  unknownFrameInfo: 0x80,
  notSupported: 0x83,
  internal: 0x84,
  busy: 0x85,
  temporaryFailure: 0x86,
  xattrInvalid: 0x87,
  unknownCollection: 0x88,
  manifestAhead: 0x8b,
  unknownScope: 0x8c,
  dcpStreamIdInvalid: 0x8d,
  durabilityInvalidLevel: 0xa0,
  durabilityImpossible: 0xa1,
  syncWriteInProgress: 0xa2,
  syncWriteAmbiguous: 0xa3,
  rangeScanCancelled: 0xa5,
  rangeScanMore: 0xa6,
  rangeScanComplete: 0xa7,
  vbUuidNotEqual: 0xa8,
  pathNotFound: 0xc0,
  pathMismatch: 0xc1,
  pathInvalid: 0xc2,
  pathTooBig: 0xc3,
  documentTooDeep: 0xc4,
  cannotInsert: 0xc5,
  documentNotJson: 0xc6,
  numberRange: 0xc7,
  deltaInvalid: 0xc8,
  pathExists: 0xc9,
  valueTooDeep: 0xca,
  invalidCombination: 0xcb,
  multiPathFailure: 0xcc,
  successDeleted: 0xcd,
  xattrInvalidFlags: 0xce,
  xattrInvalidKeys: 0xcf,
  xattrUnknownMacro: 0xd0,
  xattrUnknownVattr: 0xd1,
  xattrReadOnlyVattr: 0xd2,
  multiPathFailureDeleted: 0xd3,
  xattrInvalidOrder: 0xd4,
  canOnlyReviveDeleted: 0xd6,
} as const;

export const Feature = {
  tcpNoDelay: 0x03,
  mutationSeqno: 0x04,
  xattr: 0x06,
  xerror: 0x07,
  selectBucket: 0x08,
  snappy: 0x0a,
  json: 0x0b,
  duplex: 0x0c,
  clusterMapChange: 0x0d,
  unorderedExecution: 0x0e,
  tracing: 0x0f,
  altRequest: 0x10,
  syncReplication: 0x11,
  collections: 0x12,
  snappyEverywhere: 0x13,
  preserveTtl: 0x14,
  vattr: 0x15,
  subdocCreateAsDeleted: 0x17,
  subdocDocumentMacro: 0x18,
  subdocReplaceBodyWithXattr: 0x19,
  subdocReplicaRead: 0x1c,
  configWithKnownVersion: 0x1d,
  dedupeNotMyVbucket: 0x1e,
  clusterMapChangeBrief: 0x1f,
} as const;

export const Datatype = { json: 0x01, snappy: 0x02, xattr: 0x04 } as const;

/** Ids of what the framing extras of a request may hold. */
export const FrameId = { barrier: 0, durability: 1, dcpStreamId: 2, preserveTtl: 5 } as const;
