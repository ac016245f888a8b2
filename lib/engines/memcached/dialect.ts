import type { Kind, Operation } from '../../transactions/operation';
import type { Dialect, Look } from '../network/dialect';
import { readAnswer } from './answers';
import { isExtension, lookForRecord } from './not-stored';
import { CODES, isIdempotent } from './operations';
import { missOf, Status, statusError } from './statuses';

/** memcached's binary protocol. */
export const MEMCACHED: Dialect = {
  engine: 'memcached',
  longestKey: 250,
  mayBeUnversioned: true,
  codes: CODES,
  isIdempotent,
  mayBeLookedAfter: isExtension,
  read: readAnswer,
  resultOf: (kind: Kind, status: number) => (status === Status.keyNotFound ? missOf(kind) : undefined),
  lookAfter: (operation: Operation, status: number, look: Look) =>
    status === Status.notStored ? lookForRecord(operation, look) : undefined,
  errorOf: statusError,
};
