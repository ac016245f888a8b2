import type { Credentials } from '../../cluster/credentials';
import type { NativeStep } from '../../native/addon';
import * as layout from '../../native/layout';
import type { Kind, Operation } from '../../transactions/operation';
import type { Dialect, Look } from '../network/dialect';
import { readAnswer } from './answers';
import { binaryHandshake, metaHandshake } from './handshake';
import { isExtension, lookForRecord } from './not-stored';
import { CODES, isIdempotent } from './operations';
import { missOf, Status, statusError } from './statuses';

/** How its servers are spoken to: the option `protocol`. */
export type MemcachedProtocol = 'binary' | 'meta';

export const PROTOCOLS: Readonly<Record<MemcachedProtocol, number>> = {
  binary: layout.PROTOCOL_MEMCACHE_BINARY,
  meta: layout.PROTOCOL_MEMCACHE_META,
};

const HANDSHAKES: Readonly<
  Record<MemcachedProtocol, (credentials: Credentials | undefined) => readonly NativeStep[]>
> = { binary: binaryHandshake, meta: metaHandshake };

/**
 * Both protocols have the same answers by then. Throws InvalidArgumentError (`username` or `password`) for what the protocol
 * cannot carry.
 */
export const memcachedDialect = (
  protocol: MemcachedProtocol,
  credentials: Credentials | undefined,
): Dialect => ({
  protocol: PROTOCOLS[protocol],
  handshake: HANDSHAKES[protocol](credentials),
  engine: 'memcached',
  longestKey: 250,
  mayBeUnversioned: true,
  withoutMeta:
    protocol === 'meta' ? undefined : "only the meta protocol has it: connect() with protocol: 'meta'",
  codes: CODES,
  isIdempotent,
  mayBeLookedAfter: isExtension,
  read: readAnswer,
  resultOf: (kind: Kind, status: number) => (status === Status.keyNotFound ? missOf(kind) : undefined),
  lookAfter: (operation: Operation, status: number, look: Look) =>
    status === Status.notStored ? lookForRecord(operation, look) : undefined,
  errorOf: statusError,
});
