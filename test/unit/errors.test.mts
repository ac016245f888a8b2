import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as exported from '../../lib/errors.ts';

const { default: _, ...errors } = exported;
type Errors = typeof errors;

const classes: Record<Exclude<keyof Errors, 'EvenkeelError'>, [code: string, retryable: boolean]> = {
  TimeoutError: ['EVENKEEL_TIMEOUT', true],
  CasMismatchError: ['EVENKEEL_CAS_MISMATCH', false],
  KeyExistsError: ['EVENKEEL_KEY_EXISTS', false],
  KeyNotFoundError: ['EVENKEEL_KEY_NOT_FOUND', false],
  PathNotFoundError: ['EVENKEEL_PATH_NOT_FOUND', false],
  PathExistsError: ['EVENKEEL_PATH_EXISTS', false],
  DurabilityAmbiguousError: ['EVENKEEL_DURABILITY_AMBIGUOUS', false],
  DurabilityImpossibleError: ['EVENKEEL_DURABILITY_IMPOSSIBLE', false],
  DiscardedError: ['EVENKEEL_DISCARDED', false],
  BackpressureError: ['EVENKEEL_BACKPRESSURE', true],
  CrossThreadError: ['EVENKEEL_CROSS_THREAD', false],
  UnsupportedError: ['EVENKEEL_UNSUPPORTED', false],
  ConnectionError: ['EVENKEEL_CONNECTION', true],
  AuthenticationError: ['EVENKEEL_AUTHENTICATION', false],
  InvalidArgumentError: ['EVENKEEL_INVALID_ARGUMENT', false],
  ValidationError: ['EVENKEEL_VALIDATION', false],
  DdlSyntaxError: ['EVENKEEL_DDL_SYNTAX', false],
  StorageError: ['EVENKEEL_STORAGE', false],
  SchemaMismatchError: ['EVENKEEL_SCHEMA_MISMATCH', false],
  EventNotDeclaredError: ['EVENKEEL_EVENT_NOT_DECLARED', false],
  EpochMismatchError: ['EVENKEEL_EPOCH_MISMATCH', false],
  PositionLostError: ['EVENKEEL_POSITION_LOST', false],
  OverflowError: ['EVENKEEL_OVERFLOW', false],
  VetoError: ['EVENKEEL_VETO', false],
  SubscriptionBusyError: ['EVENKEEL_SUBSCRIPTION_BUSY', true],
  SpecChangedError: ['EVENKEEL_SPEC_CHANGED', false],
  AlreadyAcknowledgedError: ['EVENKEEL_ALREADY_ACKNOWLEDGED', false],
  DeadlockError: ['EVENKEEL_DEADLOCK', false],
  ConflictError: ['EVENKEEL_CONFLICT', true],
  ClosedError: ['EVENKEEL_CLOSED', false],
  ServerError: ['EVENKEEL_SERVER', false],
  ResourceError: ['EVENKEEL_RESOURCE', true],
  DecodeError: ['EVENKEEL_DECODE', false],
};

const names = Object.keys(classes) as (keyof typeof classes)[];

/** The same module, evaluated once more, as when two versions of the package are installed. */
function secondCopy(): Errors {
  const require = createRequire(import.meta.url);
  const file = fileURLToPath(new URL('../../dist/errors.js', import.meta.url));
  const first = require.cache[file];
  delete require.cache[file];
  try {
    return require(file);
  } finally {
    if (first !== undefined) require.cache[file] = first;
  }
}

test('every exported error class has its stable code', () => {
  const exportedNames = Object.keys(errors).filter((name) => name.endsWith('Error'));
  assert.deepEqual(exportedNames.sort(), ['EvenkeelError', ...names].sort());
});

for (const name of names) {
  const [code, retryable] = classes[name];
  describe(name, () => {
    test(`has code ${code}, its own name, and is ${retryable ? '' : 'not '}retryable`, () => {
      const error = new errors[name]('text');
      assert.equal(errors[name].code, code);
      assert.equal(error.code, code);
      assert.equal(error.name, name);
      assert.equal(error.message, 'text');
      assert.equal(error.retryable, retryable);
      assert.equal(error.ambiguous, false);
      assert.deepEqual(error.context, {});
      assert.equal('cause' in error, false);
      assert.match(error.stack ?? '', /errors\.test\.mts/);
    });

    test('is an Error and an EvenkeelError and none of the others', () => {
      const error = new errors[name]('text');
      assert.ok(error instanceof Error && error instanceof errors.EvenkeelError);
      assert.deepEqual(
        names.filter((other) => error instanceof errors[other]),
        [name],
      );
    });
  });
}

test('cause, context, retryable and ambiguous are kept', () => {
  const cause = new Error('cause');
  const context = { op: 'get', key: 'k', node: 'h:1', attempts: 2, status: 5 };
  const error = new errors.ServerError('text', { cause, context, retryable: true, ambiguous: true });
  assert.equal(error.cause, cause);
  assert.deepEqual(error.context, context);
  assert.deepEqual([error.retryable, error.ambiguous], [true, true]);
});

describe('instanceof', () => {
  test('recognises the errors of a second copy of the package, both ways', () => {
    const copy = secondCopy();
    assert.notEqual(copy.TimeoutError, errors.TimeoutError);
    const theirs = new copy.TimeoutError('text');
    const ours = new errors.TimeoutError('text');
    assert.ok(theirs instanceof errors.TimeoutError && theirs instanceof errors.EvenkeelError);
    assert.ok(ours instanceof copy.TimeoutError && ours instanceof copy.EvenkeelError);
    assert.ok(!((theirs as unknown) instanceof errors.ClosedError));
  });

  test('knows subclasses that users make, with a code of their own or without', () => {
    class Plain extends errors.TimeoutError {}
    class Coded extends errors.TimeoutError {
      static override readonly code = 'APP_SLOW' as 'EVENKEEL_TIMEOUT';
    }
    const plain = new Plain('text');
    const coded = new Coded('text');
    const base = new errors.TimeoutError('text');
    assert.deepEqual([plain.code, coded.code], ['EVENKEEL_TIMEOUT', 'APP_SLOW']);
    assert.deepEqual([plain.name, coded.name], ['Plain', 'Coded']);
    for (const error of [plain, coded]) {
      assert.ok(error instanceof errors.TimeoutError && error instanceof errors.EvenkeelError);
    }
    assert.ok(plain instanceof Plain && coded instanceof Coded);
    for (const stranger of [base, coded]) assert.equal((stranger as unknown) instanceof Plain, false);
    for (const stranger of [base, plain]) assert.equal((stranger as unknown) instanceof Coded, false);
  });

  test('says no to everything else', () => {
    const strangers = [undefined, null, 0, '', Symbol(), {}, new Error('x'), { code: 'EVENKEEL_TIMEOUT' }];
    for (const stranger of strangers) {
      assert.equal(stranger instanceof errors.EvenkeelError, false);
      assert.equal(stranger instanceof errors.TimeoutError, false);
    }
  });
});

test('a printed error shows what a reader needs and nothing of the brand', async () => {
  const { inspect } = await import('node:util');
  const text = inspect(new errors.TimeoutError('late', { context: { op: 'get', key: 'k' } }));
  assert.match(text, /^TimeoutError: late/);
  assert.match(text, /code: 'EVENKEEL_TIMEOUT'/);
  assert.match(text, /op: 'get'/);
  assert.doesNotMatch(text, /evenkeel\.error/);
  assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(new errors.ClosedError('x')))).sort(), [
    'ambiguous',
    'code',
    'context',
    'name',
    'retryable',
  ]);
});
