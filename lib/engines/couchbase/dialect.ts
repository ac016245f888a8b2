import { CouchbaseStatus } from '../../cluster/couchbase/statuses';
import { Kind, type Operation } from '../../transactions/operation';
import type { Dialect, Wire } from '../network/dialect';
import { readAnswer } from './answers';
import type { Bucket } from './bucket';
import { CODES, isIdempotent } from './operations';
import { resultOf, statusError } from './statuses';
import { mutationError } from './sub-document/decode';

export const couchbaseDialect = (wire: Wire, bucket: Bucket): Dialect => ({
  wires: [wire],
  isBetterSpokenTo: () => false,
  isFull: () => false,
  isReadyWithOne: true,
  engine: 'couchbase',
  longestKey: (collection) => bucket.longestKey(collection),
  mayBeUnversioned: false,
  withoutMeta: 'only memcached has it',
  noSuchOperation: 'the couchbase engine has no such operation',
  takesNewCas: () => false,
  noNewCas: 'setCas is for memcached',
  documents: bucket,
  extension: bucket,
  codes: CODES,
  isIdempotent,
  mayBeLookedAfter: () => false,
  lookAfter: () => undefined,
  read: (operation, completions, native, at) => readAnswer(operation, completions, native, at, bucket),
  resultOf,
  errorOf: (operation: Operation, status, text, context, body) => {
    const mutation = operation.kind === Kind.mutateIn ? operation.details?.document?.mutation : undefined;
    if (mutation !== undefined && status === CouchbaseStatus.multiPathFailure)
      return mutationError(mutation, body(), context);
    return statusError(operation, status, text, context);
  },
});
