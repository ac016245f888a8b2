import { type Mechanism, plainMessage } from '../../cluster/couchbase/mechanisms';
import type { Credentials } from '../../cluster/credentials';
import { UnsupportedError } from '../../errors';
import type { NativeStep } from '../../native/addon';
import * as layout from '../../native/layout';

// kv_engine's BinaryProtocol.md.
const REQUEST_MAGIC = 0x80;
const HEADER_BYTES = 24;
const OPCODE_VERSION = 0x0b;
const OPCODE_HELLO = 0x1f;
const OPCODE_SASL_AUTH = 0x21;
const OPCODE_SELECT_BUCKET = 0x89;

const FEATURES = {
  mutationTokens: 0x04,
  xattr: 0x06,
  extendedErrors: 0x07,
  selectBucket: 0x08,
  json: 0x0b,
  tracing: 0x0f,
  alternativeRequests: 0x10,
  synchronousReplication: 0x11,
  collections: 0x12,
  preserveExpiry: 0x14,
  knownConfiguration: 0x1d,
} as const;

/** Who has no collections knows neither what came with them. */
const CLASSIC_FEATURES: readonly number[] = [
  FEATURES.mutationTokens,
  FEATURES.xattr,
  FEATURES.extendedErrors,
  FEATURES.selectBucket,
  FEATURES.knownConfiguration,
];

export interface Login {
  readonly credentials: Credentials | undefined;
  readonly mechanism: Mechanism;
}

/** What is said first on each connection, all of it at once: which features there are, who the client is, and the bucket. */
export function handshake(
  { credentials, mechanism }: Login,
  bucket: string,
  hasCollections: boolean,
): readonly NativeStep[] {
  const features = hasCollections ? Object.values(FEATURES) : CLASSIC_FEATURES;
  const list = Buffer.alloc(features.length * 2);
  for (const [i, feature] of features.entries()) list.writeUInt16BE(feature, i * 2);
  const login = credentials === undefined ? [] : [loginStep(credentials, mechanism)];
  return [
    step(OPCODE_HELLO, '{"a":"evenkeel"}', list),
    ...login,
    step(OPCODE_SELECT_BUCKET, bucket),
    { ...step(OPCODE_VERSION), tellsVersion: true },
  ];
}

function loginStep(credentials: Credentials, mechanism: Mechanism): NativeStep {
  if (mechanism !== 'PLAIN')
    throw new UnsupportedError(`the couchbase engine cannot log in by ${mechanism} yet`, {
      context: { argument: 'mechanism' },
    });
  return {
    ...step(OPCODE_SASL_AUTH, mechanism, Buffer.from(plainMessage(credentials))),
    authenticates: true,
  };
}

function step(opcode: number, key = '', value: Uint8Array = new Uint8Array(0)): NativeStep {
  const body = Buffer.concat([Buffer.from(key), value]);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(REQUEST_MAGIC, 0);
  header.writeUInt8(opcode, 1);
  header.writeUInt16BE(Buffer.byteLength(key), 2);
  header.writeUInt32BE(body.length, 8);
  header.writeUInt32BE(layout.HANDSHAKE_OPAQUE, 12);
  return { request: Buffer.concat([header, body]), code: opcode };
}
