// The errors of statuses that memcached and Couchbase have in common.
import {
  CasMismatchError,
  type ErrorContext,
  type EvenkeelError,
  KeyExistsError,
  KeyNotFoundError,
} from '../../errors';

export const notFoundError = (op: string, context: ErrorContext): EvenkeelError =>
  new KeyNotFoundError(`${op}: there is no record under this key`, { context });

export const existsError = (isInsert: boolean, op: string, context: ErrorContext): EvenkeelError =>
  isInsert
    ? new KeyExistsError(`${op}: there is a record under this key`, { context })
    : new CasMismatchError(`${op}: the record has changed since its cas was read`, { context });
