import { invalidArgument } from '../../arguments';
import type { Credentials } from '../../cluster/credentials';
import type { NativeStep } from '../../native/addon';
import * as layout from '../../native/layout';
import { Status } from './statuses';

// memcached's protocol_binary.h.
const REQUEST_MAGIC = 0x80;
const HEADER_BYTES = 24;
const OPCODE_NOOP = 0x0a;
const OPCODE_VERSION = 0x0b;
const OPCODE_SASL_AUTH = 0x21;

/**
 * What is said first on a connection in the binary protocol: who the client is, by SASL PLAIN, and then what every server of it
 * knows. The version is told to everybody, so the no-op finds out whether the server wants authentication. All of it leaves
 * together.
 */
export function binaryHandshake(credentials: Credentials | undefined): readonly NativeStep[] {
  const greeting = [{ ...binaryStep(OPCODE_VERSION), tellsVersion: true }, binaryStep(OPCODE_NOOP)];
  if (credentials === undefined) return greeting;
  const { username, password } = credentials;
  const login = binaryStep(OPCODE_SASL_AUTH, 'PLAIN', `\0${username}\0${password}`);
  // A server without SASL takes everybody.
  return [{ ...login, authenticates: true, tolerated: Status.unknownCommand }, ...greeting];
}

function binaryStep(opcode: number, key = '', value = ''): NativeStep {
  const body = Buffer.from(key + value);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(REQUEST_MAGIC, 0);
  header.writeUInt8(opcode, 1);
  header.writeUInt16BE(Buffer.byteLength(key), 2);
  header.writeUInt32BE(body.length, 8);
  header.writeUInt32BE(layout.HANDSHAKE_OPAQUE, 12);
  return { request: Buffer.concat([header, body]), code: opcode };
}

/** From it on misses have the opaque too. */
export const OLDEST_META = 0x010612; // 1.6.18

const META_NO_OP = textStep('mn\r\n', layout.META_ANSWER_NO_OP);
/** So that all of it is no shorter than a request of the binary protocol: for less a server of that alone waits in silence. */
const FILLING = [META_NO_OP, META_NO_OP, META_NO_OP];
const META_VERSION = { ...textStep('version\r\n', layout.META_ANSWER_VERSION), tellsVersion: true };

/**
 * The same in the meta protocol. That `mn` is known, and `ms` with it, is seen first: otherwise a server could take values for
 * commands. Who has to say who they are does so by a `set`, as memcached's authentication file wants it; a server that
 * wants no authentication would store the password, so that it is asked whether it does.
 * Throws InvalidArgumentError (`username` or `password`) for what the login cannot carry.
 */
export function metaHandshake(credentials: Credentials | undefined): readonly NativeStep[] {
  if (credentials === undefined) return [META_NO_OP, ...FILLING, META_VERSION];
  for (const argument of ['username', 'password'] as const)
    if (/[ \r\n]/.test(credentials[argument]))
      throw invalidArgument(
        argument,
        `${argument} has a space or a line break, which the login of memcached's text protocols cannot carry`,
      );
  const { username, password } = credentials;
  const token = `${username} ${password}`;
  const login = textStep(
    `set login 0 0 ${Buffer.byteLength(token)}\r\n${token}\r\n`,
    layout.META_ANSWER_STORED,
  );
  return [
    { ...META_NO_OP, tolerated: Status.authError, skips: 2 },
    { ...login, waits: true, authenticates: true },
    { ...META_NO_OP, waits: true },
    { ...META_VERSION, waits: true },
  ];
}

/** Of a server that may be too old for what the meta protocol is used for here. */
export function carefulMetaHandshake(credentials: Credentials | undefined): readonly NativeStep[] {
  return metaHandshake(credentials).map((step) =>
    step.tellsVersion ? { ...step, oldestVersion: OLDEST_META } : step,
  );
}

function textStep(request: string, code: number): NativeStep {
  return { request: Buffer.from(request), code };
}
