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
 * The first requests on a connection in the binary protocol: SASL PLAIN if there are credentials, then commands that
 * every server knows. The version is available without authentication, so the no-op finds out whether the server
 * requires it. All requests are sent together.
 */
export function binaryHandshake(credentials: Credentials | undefined): readonly NativeStep[] {
  const greeting = [{ ...binaryStep(OPCODE_VERSION), tellsVersion: true }, binaryStep(OPCODE_NOOP)];
  if (credentials === undefined) return greeting;
  const { username, password } = credentials;
  const login = binaryStep(OPCODE_SASL_AUTH, 'PLAIN', `\0${username}\0${password}`);
  // A server without SASL accepts everybody.
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

/** The first version in which misses contain the opaque, too. */
export const OLDEST_META = 0x010612; // 1.6.18

const META_NO_OP = textStep('mn\r\n', layout.META_ANSWER_NO_OP);
/**
 * Makes the handshake at least as long as a request of the binary protocol: a server that speaks only that would
 * silently wait for more bytes.
 */
const FILLING = [META_NO_OP, META_NO_OP, META_NO_OP];
const META_VERSION = { ...textStep('version\r\n', layout.META_ANSWER_VERSION), tellsVersion: true };

/**
 * The same in the meta protocol. The first step makes sure that the server knows `mn` (and therefore `ms`); otherwise
 * it could take values for commands. The login is a `set`, as memcached's authentication file requires. A server
 * without authentication would store the password, so the handshake first checks whether it is required. Throws
 * InvalidArgumentError (`username` or `password`) for credentials that the login cannot carry.
 */
export function metaHandshake(credentials: Credentials | undefined): readonly NativeStep[] {
  if (credentials === undefined) return [META_NO_OP, ...FILLING, META_VERSION];
  return [
    { ...META_NO_OP, tolerated: Status.authError, skips: 2 },
    { ...loginStep(credentials), waits: true },
    { ...META_NO_OP, waits: true },
    { ...META_VERSION, waits: true },
  ];
}

/** Only the login, for a server that has asked for it. Throws as metaHandshake() does. */
export function loginStep(credentials: Credentials): NativeStep {
  for (const argument of ['username', 'password'] as const)
    if (/[ \r\n]/.test(credentials[argument]))
      throw invalidArgument(
        argument,
        `${argument} has a space or a line break, which the login of memcached's text protocols cannot carry`,
      );
  const { username, password } = credentials;
  const token = `${username} ${password}`;
  const request = `set login 0 0 ${Buffer.byteLength(token)}\r\n${token}\r\n`;
  return { ...textStep(request, layout.META_ANSWER_STORED), authenticates: true };
}

/** For a server that may be too old for this client's use of the meta protocol. */
export function carefulMetaHandshake(credentials: Credentials | undefined): readonly NativeStep[] {
  return metaHandshake(credentials).map((step) =>
    step.tellsVersion ? { ...step, oldestVersion: OLDEST_META } : step,
  );
}

function textStep(request: string, code: number): NativeStep {
  return { request: Buffer.from(request), code };
}
