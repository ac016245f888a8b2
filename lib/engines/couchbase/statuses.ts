import { CouchbaseStatus, meaningOf } from '../../cluster/couchbase/statuses';
import {
  AuthenticationError,
  CasMismatchError,
  DurabilityAmbiguousError,
  DurabilityImpossibleError,
  type ErrorContext,
  type EvenkeelError,
  InvalidArgumentError,
  ServerError,
  UnsupportedError,
} from '../../errors';
import { Kind, missOf, nameOf, type Operation } from '../../transactions/operation';
import { existsError, notFoundError } from '../network/status-errors';
import { isPathStatus, pathError } from './sub-document/path-error';

/** What a status other than success resolves to where it is a result and no error. */
export function resultOf(kind: Kind, status: number): { readonly value: boolean | undefined } | undefined {
  if (status === CouchbaseStatus.keyNotFound) return missOf(kind);
  if (status === CouchbaseStatus.notLocked && kind === Kind.unlock) return { value: false };
  return undefined;
}

type MakeError = (operation: Operation, op: string, context: ErrorContext, words: string) => EvenkeelError;

const notFound: MakeError = (_, op, context) => notFoundError(op, context);

const refusedArgument =
  (argument: string, fault: string): MakeError =>
  (_, op, context, words) =>
    new InvalidArgumentError(`${op}: ${fault}${words}`, { context: { ...context, argument } });

const unauthorized =
  (fault: string): MakeError =>
  (_, op, context, words) =>
    new AuthenticationError(`${op}: ${fault}${words}`, { context });

const unsupported =
  (fault: string): MakeError =>
  (_, op, context, words) =>
    new UnsupportedError(`${op}: ${fault}${words}`, { context });

const refused =
  (fault: string, retryable = false): MakeError =>
  (_, op, context, words) =>
    new ServerError(`${op}: ${fault}${words}`, { context, retryable });

const ERRORS: Readonly<Record<number, MakeError>> = {
  [CouchbaseStatus.keyNotFound]: notFound,
  // Of an append or a prepend; a record that would be too large has a status of its own.
  [CouchbaseStatus.notStored]: notFound,
  [CouchbaseStatus.keyExists]: (operation, op, context) => existsError(isInsert(operation), op, context),
  [CouchbaseStatus.tooLarge]: refusedArgument('value', 'the value is larger than the server accepts'),
  [CouchbaseStatus.notNumeric]: refused('the stored value is not a counter'),
  [CouchbaseStatus.locked]: (operation, op, context, words) =>
    operation.kind === Kind.unlock
      ? new CasMismatchError(`${op}: the record has been locked by somebody else since`, { context })
      : new ServerError(`${op}: the record is locked${words}`, { context, retryable: true }),
  [CouchbaseStatus.authError]: unauthorized('the server refuses the credentials'),
  [CouchbaseStatus.authStale]: unauthorized('the login is no longer valid'),
  [CouchbaseStatus.noAccess]: unauthorized('the user has no right to do this'),
  [CouchbaseStatus.expiryOverflow]: refusedArgument(
    'ttl',
    'the record would live longer than the server can count',
  ),
  [CouchbaseStatus.lockExpiryOverflow]: refusedArgument(
    'seconds',
    'the lock would last longer than the server can count',
  ),
  [CouchbaseStatus.unknownCommand]: unsupported('the server does not know the command'),
  [CouchbaseStatus.notSupported]: unsupported('the server cannot do this'),
  [CouchbaseStatus.unknownFrameInfo]: unsupported('the server does not know an option of the command'),
  [CouchbaseStatus.durabilityInvalidLevel]: unsupported('the bucket has no writes of this durability'),
  [CouchbaseStatus.durabilityImpossible]: (_, op, context, words) =>
    new DurabilityImpossibleError(`${op}: the bucket has too few servers for the durability${words}`, {
      context,
    }),
  [CouchbaseStatus.syncWriteAmbiguous]: (_, op, context, words) =>
    new DurabilityAmbiguousError(`${op}: the write may have been made, or may still be undone${words}`, {
      context,
      ambiguous: true,
    }),
  [CouchbaseStatus.syncWriteInProgress]: refused('another durable write of the record is under way', true),
  [CouchbaseStatus.syncWriteRecommitInProgress]: refused(
    'a durable write of the record is being completed',
    true,
  ),
  [CouchbaseStatus.unknownCollection]: refused('the bucket has no such collection'),
  [CouchbaseStatus.unknownScope]: refused('the bucket has no such scope'),
};

/** The error of a status that is no result. `text` is what the server said besides, for people. */
export function statusError(
  operation: Operation,
  status: number,
  text: string,
  context: ErrorContext,
): EvenkeelError {
  const op = nameOf(operation.kind);
  if (isPathStatus(status)) return pathError(op, status, context, undefined);
  const said = wordsOf(text);
  const words = said === '' ? '' : `: ${said}`;
  const make = ERRORS[status];
  if (make !== undefined) return make(operation, op, context, words);
  const meaning = meaningOf(status, undefined);
  const name = meaning === undefined ? '' : ` (${meaning.name})`;
  return new ServerError(`${op}: the server answered with status 0x${status.toString(16)}${name}${words}`, {
    context,
    retryable: meaning?.reason !== undefined,
  });
}

const isInsert = ({ kind, details }: Operation): boolean =>
  kind === Kind.insert || (kind === Kind.mutateIn && details?.document?.semantics === 'insert');

/** Of a server that explains itself in JSON, its words. */
function wordsOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { context?: unknown; ref?: unknown } };
    const { context = '', ref } = error ?? {};
    return ref === undefined ? String(context) : `${String(context)} (ref ${String(ref)})`;
  } catch {
    return text;
  }
}
