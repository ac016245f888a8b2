import { shown } from '../../arguments';
import { type Mechanism, plainMessage } from '../../cluster/couchbase/mechanisms';
import { CouchbaseStatus } from '../../cluster/couchbase/statuses';
import type { Credentials } from '../../cluster/credentials';
import * as layout from '../../native/layout';
import type { Step as HandshakeStep } from '../network/dialect';

// kv_engine's BinaryProtocol.md.
const REQUEST_MAGIC = 0x80;
const HEADER_BYTES = 24;
const OPCODE_VERSION = 0x0b;
const OPCODE_HELLO = 0x1f;
const OPCODE_SASL_LIST = 0x20;
const OPCODE_SASL_AUTH = 0x21;
const OPCODE_SASL_STEP = 0x22;
const OPCODE_SELECT_BUCKET = 0x89;

const FEATURES = {
  mutationTokens: 0x04,
  xattr: 0x06,
  extendedErrors: 0x07,
  selectBucket: 0x08,
  json: 0x0b,
  duplex: 0x0c,
  tracing: 0x0f,
  alternativeRequests: 0x10,
  synchronousReplication: 0x11,
  collections: 0x12,
  preserveExpiry: 0x14,
  knownConfiguration: 0x1d,
  configurationOnce: 0x1e,
  notices: 0x1f,
} as const;

/** Without them requests would be taken for others. */
const NEEDED = Uint16Array.of(FEATURES.collections, FEATURES.alternativeRequests, FEATURES.json);

const AGENT = '{"a":"evenkeel"}';

/** The steps of a login by SCRAM, by their indexes. */
export const Step = { hello: 0, mechanisms: 1, auth: 2, step: 3 } as const;

const VERSION: HandshakeStep = { ...step(OPCODE_VERSION), tellsVersion: true };

function helloStep(): HandshakeStep {
  const features = Object.values(FEATURES);
  const list = Buffer.alloc(features.length * 2);
  for (const [i, feature] of features.entries()) list.writeUInt16BE(feature, i * 2);
  return { ...step(OPCODE_HELLO, AGENT, list), features: NEEDED };
}

/** All of it leaves at once. */
export function plainHandshake(
  credentials: Credentials | undefined,
  bucket: string,
): readonly HandshakeStep[] {
  const login =
    credentials === undefined
      ? []
      : [{ ...step(OPCODE_SASL_AUTH, 'PLAIN', plainMessage(credentials)), authenticates: true }];
  return [helloStep(), ...login, { ...step(OPCODE_SELECT_BUCKET, bucket), ...refusalOf(bucket) }, VERSION];
}

/** The bucket is asked for, too, because the server's signature is looked at before. */
export function scramHandshake(bucket: string): readonly HandshakeStep[] {
  const asked = { request: new Uint8Array(0), asks: true };
  return [
    helloStep(),
    { ...step(OPCODE_SASL_LIST), tells: true },
    {
      ...asked,
      code: OPCODE_SASL_AUTH,
      tolerated: CouchbaseStatus.authContinue,
      tells: true,
      authenticates: true,
    },
    { ...asked, code: OPCODE_SASL_STEP, tells: true, authenticates: true },
    { ...asked, code: OPCODE_SELECT_BUCKET, ...refusalOf(bucket) },
    { ...VERSION, waits: true },
  ];
}

const refusalOf = (bucket: string): { refusal: string } => ({
  refusal: `there is no bucket ${shown(bucket)}, or the user may not use it`,
});

export const authRequest = (mechanism: Mechanism, message: string): Uint8Array =>
  step(OPCODE_SASL_AUTH, mechanism, message).request;

export const stepRequest = (mechanism: Mechanism, message: string): Uint8Array =>
  step(OPCODE_SASL_STEP, mechanism, message).request;

export const selectRequest = (bucket: string): Uint8Array => step(OPCODE_SELECT_BUCKET, bucket).request;

function step(opcode: number, key = '', value: string | Uint8Array = ''): HandshakeStep {
  const body = Buffer.concat([Buffer.from(key), Buffer.from(value)]);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(REQUEST_MAGIC, 0);
  header.writeUInt8(opcode, 1);
  header.writeUInt16BE(Buffer.byteLength(key), 2);
  header.writeUInt32BE(body.length, 8);
  header.writeUInt32BE(layout.HANDSHAKE_OPAQUE, 12);
  return { request: Buffer.concat([header, body]), code: opcode };
}
