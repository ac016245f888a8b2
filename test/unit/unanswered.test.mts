// What becomes of an operation that ended without an answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAnother, type Unanswered, unansweredError } from '../../lib/engines/network/unanswered.ts';
import { TimeoutError } from '../../lib/errors.ts';
import * as layout from '../../lib/native/layout.ts';

const RETURNED: Unanswered = {
  outcome: layout.OUTCOME_LOST,
  written: false,
  idempotent: false,
  cause: layout.CAUSE_PARTITIONS,
  announced: 0,
  maxValueSize: 0,
  blamed: 0,
  lostTo: 0,
  late: false,
  fault: undefined,
  closed: undefined,
};

test('what comes back because partitions were numbered anew is submitted again until its deadline', () => {
  assert.ok(isAnother(RETURNED));
  const late = { ...RETURNED, late: true };
  assert.ok(!isAnother(late));
  const error = unansweredError(late, 'upsert', {});
  assert.ok(error instanceof TimeoutError);
  assert.equal(error.ambiguous, false);
  assert.match(error.message, /another number of partitions/);
});
