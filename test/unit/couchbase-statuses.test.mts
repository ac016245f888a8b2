import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CouchbaseStatus, type StatusName } from '../../lib/cluster/couchbase/statuses.ts';
import { resultOf, statusError } from '../../lib/engines/couchbase/statuses.ts';
import * as errors from '../../lib/errors.ts';
import { documentDetails } from '../../lib/transactions/documents.ts';
import { details, Kind, Operation } from '../../lib/transactions/operation.ts';

const CONTEXT = { op: 'upsert', key: 'k', node: 'h:1', attempts: 1 };

const operation = (kind: Kind): Operation => new Operation(kind, 'k', undefined, undefined, undefined);

const errorOf = (kind: Kind, status: number, text = ''): errors.EvenkeelError =>
  statusError(operation(kind), status, text, { ...CONTEXT, status });

test('a miss is a result where it is no error', () => {
  const { keyNotFound, notLocked, keyExists } = CouchbaseStatus;
  assert.deepEqual(resultOf(Kind.get, keyNotFound), { value: undefined });
  assert.deepEqual(resultOf(Kind.lookupIn, keyNotFound), { value: undefined });
  assert.deepEqual(resultOf(Kind.getAndLock, keyNotFound), { value: undefined });
  assert.deepEqual(resultOf(Kind.getReplica, keyNotFound), { value: undefined });
  assert.deepEqual(resultOf(Kind.exists, keyNotFound), { value: false });
  assert.deepEqual(resultOf(Kind.unlock, keyNotFound), { value: false });
  assert.deepEqual(resultOf(Kind.unlock, notLocked), { value: false });
  assert.equal(resultOf(Kind.replace, keyNotFound), undefined);
  assert.equal(resultOf(Kind.mutateIn, keyNotFound), undefined);
  assert.equal(resultOf(Kind.get, notLocked), undefined);
  assert.equal(resultOf(Kind.get, keyExists), undefined);
});

test('errors that users tell apart have classes of their own', () => {
  const classes: [Kind, StatusName, abstract new (...args: never[]) => Error][] = [
    [Kind.replace, 'keyNotFound', errors.KeyNotFoundError],
    [Kind.append, 'notStored', errors.KeyNotFoundError],
    [Kind.insert, 'keyExists', errors.KeyExistsError],
    [Kind.upsert, 'keyExists', errors.CasMismatchError],
    [Kind.unlock, 'locked', errors.CasMismatchError],
    [Kind.upsert, 'tooLarge', errors.InvalidArgumentError],
    [Kind.get, 'noAccess', errors.AuthenticationError],
    [Kind.get, 'unknownCommand', errors.UnsupportedError],
    [Kind.upsert, 'notSupported', errors.UnsupportedError],
    [Kind.upsert, 'durabilityInvalidLevel', errors.UnsupportedError],
    [Kind.upsert, 'durabilityImpossible', errors.DurabilityImpossibleError],
    [Kind.upsert, 'syncWriteAmbiguous', errors.DurabilityAmbiguousError],
    [Kind.mutateIn, 'pathNotFound', errors.PathNotFoundError],
    [Kind.mutateIn, 'pathExists', errors.PathExistsError],
    [Kind.mutateIn, 'invalidXattrKeys', errors.InvalidArgumentError],
    [Kind.increment, 'notNumeric', errors.ServerError],
    [Kind.get, 'unknownCollection', errors.ServerError],
  ];
  for (const [kind, name, expected] of classes) {
    const error = errorOf(kind, CouchbaseStatus[name]);
    assert.ok(error instanceof expected, name);
    assert.equal(error.context.status, CouchbaseStatus[name]);
    assert.equal(error.context.key, 'k');
  }
  const inserting = operation(Kind.mutateIn);
  inserting.details = { ...details(), document: { ...documentDetails(), semantics: 'insert' } };
  const exists = statusError(inserting, CouchbaseStatus.keyExists, '', CONTEXT);
  assert.ok(exists instanceof errors.KeyExistsError);
});

test('what may be done later is retryable, and only a durable write of unknown outcome is ambiguous', () => {
  const retryable: StatusName[] = [
    'locked',
    'wouldThrottle',
    'outOfMemory',
    'busy',
    'temporaryFailure',
    'syncWriteInProgress',
    'syncWriteRecommitInProgress',
    'rateLimitedEgress',
    'notInitialized',
  ];
  for (const name of retryable)
    assert.equal(errorOf(Kind.upsert, CouchbaseStatus[name]).retryable, true, name);
  for (const [name, status] of Object.entries(CouchbaseStatus))
    assert.equal(errorOf(Kind.upsert, status).ambiguous, name === 'syncWriteAmbiguous', name);
  assert.equal(errorOf(Kind.upsert, CouchbaseStatus.durabilityImpossible).retryable, false);
  assert.equal(errorOf(Kind.upsert, CouchbaseStatus.internal).retryable, false);
});

test('any other status says its number, its name and what the server said', () => {
  const paused = errorOf(Kind.upsert, CouchbaseStatus.bucketPaused);
  assert.match(paused.message, /^upsert: .*0x50 \(bucket paused\)$/);
  const json = JSON.stringify({ error: { context: 'too many', ref: 'abc' } });
  assert.match(errorOf(Kind.upsert, 0x1234, json).message, /0x1234: too many \(ref abc\)$/);
  for (const text of ['plain', '{"error":', 'null', '[]', '{"error":1}'])
    assert.ok(errorOf(Kind.upsert, 0x1234, text) instanceof errors.ServerError);
  assert.match(errorOf(Kind.upsert, 0x1234, 'plain').message, /: plain$/);
  assert.match(errorOf(Kind.upsert, CouchbaseStatus.locked, json).message, /locked: too many/);
});
