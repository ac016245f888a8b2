import { isUtf8 } from 'node:buffer';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { AuthenticationError, ServerError } from '../../errors';
import * as layout from '../../native/layout';
import { excerpt } from '../../text';

const LONGEST_FAULT = 500;

const PROTOCOL: Readonly<Record<number, string>> = {
  [layout.CAUSE_BAD_MAGIC]: 'the server does not speak the protocol',
  [layout.CAUSE_BAD_LENGTHS]: 'the server sent an answer whose parts contradict each other',
  [layout.CAUSE_UNKNOWN_OPAQUE]: 'the server answered a request that was not made',
  [layout.CAUSE_WRONG_OPCODE]: 'the server answered another request than the one that was made',
  [layout.CAUSE_TOO_LARGE]: 'the server announced an answer above any limit',
  [layout.CAUSE_SILENCE]: 'the server owed answers and said nothing for too long',
  [layout.CAUSE_END_OF_STREAM]: 'the server closed the connection',
  [layout.CAUSE_HANDSHAKE]: 'the server refused the handshake',
  [layout.CAUSE_BUSY]: 'the server cannot complete the handshake now',
  [layout.CAUSE_OUTDATED]: 'the server is too old for the protocol',
  [layout.CAUSE_FEATURES]: 'the server does not grant what the protocol needs',
  [layout.CAUSE_OTHER_PROTOCOL]: 'the server speaks another protocol',
  [layout.CAUSE_PARTITIONS]: 'the bucket has another number of partitions now',
  [layout.CAUSE_UNTRUSTED]: 'the server rejected a request and may have taken its value for commands',
};

/**
 * Causes that prove the peer to be wrong, so that reconnecting does not help. A peer that closes the connection during
 * the handshake counts, too.
 */
const PROOFS: ReadonlySet<number> = new Set([
  layout.CAUSE_BAD_MAGIC,
  layout.CAUSE_BAD_LENGTHS,
  layout.CAUSE_UNKNOWN_OPAQUE,
  layout.CAUSE_WRONG_OPCODE,
  layout.CAUSE_TOO_LARGE,
  layout.CAUSE_END_OF_STREAM,
  layout.CAUSE_HANDSHAKE,
  layout.CAUSE_OUTDATED,
  layout.CAUSE_FEATURES,
  layout.CAUSE_CREDENTIALS,
  layout.CAUSE_UNAUTHENTICATED,
  layout.CAUSE_TLS,
  constants.errno.ECONNRESET,
  constants.errno.EPIPE,
  // Errors for the path of a socket.
  constants.errno.ENOENT,
  constants.errno.ENOTDIR,
  constants.errno.EACCES,
]);

export const isProof = (cause: number): boolean => PROOFS.has(cause);

/**
 * The error for a cause code of native code: a system error with its `code`, or a protocol violation. `said` is the
 * first bytes of a peer that failed the handshake, or what is wrong with TLS; `besides` is added to the message about
 * an unexpected peer.
 */
export function causeError(cause: number, said: Uint8Array = new Uint8Array(0), besides = ''): Error {
  if (cause === layout.CAUSE_TLS) {
    const fault =
      said.length === 0 ? 'the connection is broken' : excerpt(Buffer.from(said).toString(), LONGEST_FAULT);
    return protocolFault(`TLS: ${fault}`);
  }
  if (cause === layout.CAUSE_CREDENTIALS)
    return new AuthenticationError('the server refuses the credentials');
  if (cause === layout.CAUSE_SENT_BACK)
    return new ServerError('no server that was asked has the partition of the key', { retryable: true });
  const words = said.length === 0 ? '' : `; it said ${quote(said)}`;
  if (cause === layout.CAUSE_UNAUTHENTICATED)
    return new AuthenticationError(`the server wants authentication: give a username and a password${words}`);
  if (cause > layout.CAUSE_PROTOCOL)
    return protocolFault(`${PROTOCOL[cause] ?? `protocol fault ${cause}`}${words}${besides}`);
  const code = getSystemErrorName(-cause);
  return Object.assign(new Error(`connection failed: ${code}${words}${besides}`), { code, errno: -cause });
}

export const protocolFault = (message: string): Error =>
  Object.assign(new Error(message), { code: 'EPROTO' });

/** How a connection, or an attempt to make one, has ended. */
export interface Ending {
  /** An errno or CAUSE_…. */
  readonly cause: number;
  /** The first bytes of a peer that failed the handshake, or what is wrong with TLS. */
  readonly said: Uint8Array;
  /** If more is known than that. */
  readonly fault: Error | undefined;
}

export const endingError = ({ cause, said, fault }: Ending, besides = ''): Error =>
  fault ?? causeError(cause, said, besides);

const MOST_BYTES = 32;

/** Bytes for messages: as text if they are text, otherwise in hexadecimal. */
function quote(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString();
  // The last character may be cut.
  const isText = [0, 1, 2, 3].some((cut) => isUtf8(bytes.subarray(0, bytes.length - cut)));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what tells text from other bytes.
  if (isText && !/[\x00-\x08\x0e-\x1f\x7f]/.test(text)) return `"${excerpt(text.trim())}"`;
  const more = bytes.length > MOST_BYTES ? '…' : '';
  return `${Buffer.from(bytes.subarray(0, MOST_BYTES)).toString('hex')}${more}`;
}
