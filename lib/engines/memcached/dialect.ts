import type { Credentials } from '../../cluster/credentials';
import * as layout from '../../native/layout';
import { type Kind, missOf, type Operation } from '../../transactions/operation';
import type { Dialect, Look, Wire } from '../network/dialect';
import { readAnswer } from './answers';
import { binaryHandshake, carefulMetaHandshake, metaHandshake, OLDEST_META } from './handshake';
import { isExtension, lookForRecord } from './not-stored';
import { CODES, isIdempotent } from './operations';
import { Status, statusError } from './statuses';
import { packVersion } from './version';

/** The protocol for memcached's servers: the option `protocol`. */
export type MemcachedProtocol = 'binary' | 'meta' | 'auto';

type Wires = (credentials: Credentials | undefined) => readonly Wire[];

export const WIRES: Readonly<Record<MemcachedProtocol, Wires>> = {
  binary: (credentials) => [binary(credentials)],
  meta: (credentials) => [meta(metaHandshake(credentials))],
  auto: (credentials) =>
    credentials === undefined
      ? [meta(carefulMetaHandshake(undefined)), binary(undefined)]
      : [binary(credentials), ...metaIfPossible(credentials)],
};

const binary = (credentials: Credentials | undefined): Wire => ({
  name: 'binary',
  protocol: layout.PROTOCOL_MEMCACHE_BINARY,
  handshake: binaryHandshake(credentials),
});

const meta = (handshake: Wire['handshake']): Wire => ({
  name: 'meta',
  protocol: layout.PROTOCOL_MEMCACHE_META,
  handshake,
});

/** Credentials that the meta protocol cannot carry are left to SASL. */
const metaIfPossible = (credentials: Credentials): readonly Wire[] =>
  metaFault(credentials) === undefined ? [meta(carefulMetaHandshake(credentials))] : [];

/** Why the login of the meta protocol cannot carry the credentials; undefined if it can. */
function metaFault(credentials: Credentials | undefined): string | undefined {
  try {
    metaHandshake(credentials);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const OLDEST_NEW_CAS = 0x01061b; // 1.6.27

const ONLY_META = 'only the meta protocol has it';

/**
 * Answers are already independent of the protocol here. Throws InvalidArgumentError (`username` or `password`) for
 * credentials that the protocol cannot carry.
 */
export const memcachedDialect = (
  protocol: MemcachedProtocol,
  credentials: Credentials | undefined,
): Dialect => ({
  wires: WIRES[protocol](credentials),
  noOtherWire: protocol === 'auto' ? metaFault(credentials) : undefined,
  isBetterSpokenTo: (version) => credentials === undefined && packVersion(version) >= OLDEST_META,
  isFull: (said) => Buffer.from(said).includes('Too many open connections'),
  engine: 'memcached',
  longestKey: () => 250,
  mayBeUnversioned: true,
  withoutMeta: protocol === 'binary' ? `${ONLY_META}: connect() without protocol: 'binary'` : undefined,
  noSuchOperation: ONLY_META,
  takesNewCas: (wire, version) => {
    if (wire !== 'meta') return false;
    return version === undefined ? undefined : packVersion(version) >= OLDEST_NEW_CAS;
  },
  noNewCas: 'setCas is for memcached from 1.6.27 in the meta protocol',
  codes: CODES,
  isIdempotent,
  mayBeLookedAfter: isExtension,
  read: readAnswer,
  resultOf: (kind: Kind, status: number) => (status === Status.keyNotFound ? missOf(kind) : undefined),
  lookAfter: (operation: Operation, status: number, look: Look) =>
    status === Status.notStored ? lookForRecord(operation, look) : undefined,
  errorOf: statusError,
});
