import { CouchbaseStatus } from '../../../cluster/couchbase/statuses';
import {
  type ErrorContext,
  type EvenkeelError,
  InvalidArgumentError,
  PathExistsError,
  PathNotFoundError,
  ServerError,
} from '../../../errors';
import { excerpt } from '../../../text';

/** What is wrong with an argument. */
const ARGUMENTS: Readonly<Record<number, readonly [argument: string, fault: string]>> = {
  [CouchbaseStatus.pathInvalid]: ['path', 'the path cannot be read'],
  [CouchbaseStatus.pathTooLarge]: ['path', 'the path is too long or too deep'],
  [CouchbaseStatus.cannotInsertValue]: ['value', 'the value cannot stand at this path'],
  [CouchbaseStatus.invalidDelta]: ['delta', 'the delta is no number that can be added'],
  [CouchbaseStatus.valueTooDeep]: ['value', 'the document would be nested too deep with the value'],
  [CouchbaseStatus.invalidCombination]: ['specs', 'these paths cannot be combined'],
  [CouchbaseStatus.invalidXattrFlags]: ['specs', 'an extended attribute cannot be used like this'],
  [CouchbaseStatus.invalidXattrKeys]: [
    'specs',
    'the extended attributes of one call have the same first name',
  ],
  [CouchbaseStatus.unknownMacro]: ['value', 'the server does not know the macro'],
  [CouchbaseStatus.unknownVirtualAttribute]: ['path', 'the server has no such virtual attribute'],
  [CouchbaseStatus.readOnlyVirtualAttribute]: ['path', 'virtual attributes cannot be written'],
  [CouchbaseStatus.invalidXattrOrder]: ['specs', 'extended attributes come first'],
  [CouchbaseStatus.unknownVirtualMacro]: ['path', 'the server has no such virtual macro'],
};

const FAULTS: Readonly<Record<number, string>> = {
  [CouchbaseStatus.pathMismatch]:
    'the document is not as the path says: something on its way, or at its end, is of another kind',
  [CouchbaseStatus.documentTooDeep]: 'the document is nested too deep',
  [CouchbaseStatus.documentNotJson]: 'the document is not JSON',
  [CouchbaseStatus.numberOutOfRange]: 'the number that is there, or would be, has more than 64 bits',
  [CouchbaseStatus.canOnlyReviveTombstones]: 'the document is there, and can only be revived when it is not',
  [CouchbaseStatus.tombstoneWithValue]: 'a document that was removed can have no value',
  [CouchbaseStatus.fieldNotBinary]: 'what is there is not binary',
};

export const isPathStatus = (status: number): boolean =>
  status === CouchbaseStatus.pathNotFound ||
  status === CouchbaseStatus.pathExists ||
  status in ARGUMENTS ||
  status in FAULTS;

/** The error of a path, or without one of the call. `context` is the operation's. */
export function pathError(
  op: string,
  status: number,
  given: ErrorContext,
  path: string | undefined,
): EvenkeelError {
  const context = { ...given, status, ...(path !== undefined && { path }) };
  const where = path === undefined ? '' : ` (path ${excerpt(JSON.stringify(path))})`;
  if (status === CouchbaseStatus.pathNotFound)
    return new PathNotFoundError(`${op}: the path does not exist${where}`, { context });
  if (status === CouchbaseStatus.pathExists)
    return new PathExistsError(`${op}: the path or the array element exists already${where}`, { context });
  const [argument, fault] = ARGUMENTS[status] ?? [];
  if (fault !== undefined)
    return new InvalidArgumentError(`${op}: ${fault}${where}`, { context: { ...context, argument } });
  const words = FAULTS[status] ?? `the server answered with status 0x${status.toString(16)}`;
  return new ServerError(`${op}: ${words}${where}`, { context });
}
