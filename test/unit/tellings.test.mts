import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Allowance,
  afterHolder,
  mayHaveBeenTold,
  NEVER_TOLD,
  ofOtherEvents,
  type Tellings,
  timesTold,
} from '../../lib/events/tellings.ts';

const times = (tellings: Tellings, numbers = 5): number[] =>
  Array.from({ length: numbers }, (_each, i) => timesTold(tellings, i + 1));

/** A holder that wrote down all that it told. */
const holder = (passed: number, told: number) => ({ passed, told, may: told });

describe('how often events have been told', () => {
  test('is never for a new name, nor for what a holder has passed', () => {
    assert.deepEqual(times(NEVER_TOLD), [0, 0, 0, 0, 0]);
    assert.deepEqual(afterHolder(NEVER_TOLD, holder(3, 3)), NEVER_TOLD);
  });

  test('is once for each holder that came so far, counted from the position', () => {
    const first = afterHolder(NEVER_TOLD, holder(1, 4));
    assert.deepEqual(times(first), [1, 1, 1, 0, 0]);
    const second = afterHolder(first, holder(0, 1));
    assert.deepEqual(times(second), [2, 1, 1, 0, 0]);
    const third = afterHolder(second, holder(2, 4));
    assert.deepEqual(times(third), [2, 1, 0, 0, 0]);
  });

  test('takes one entry however many holders came as far', () => {
    let tellings = NEVER_TOLD;
    for (let i = 0; i < 1000; i += 1) tellings = afterHolder(tellings, holder(0, 1));
    assert.deepEqual(tellings.told, [[1, 1000]]);
    assert.equal(timesTold(tellings, 1), 1000);
  });

  test('is once, and no more, where it is only possible', () => {
    let tellings = NEVER_TOLD;
    for (let i = 0; i < 3; i += 1) tellings = afterHolder(tellings, { passed: 0, told: 1, may: 3 });
    assert.deepEqual(times(tellings), [3, 1, 1, 0, 0]);
    assert.equal(mayHaveBeenTold(tellings), 3);
    assert.deepEqual(times(afterHolder(tellings, holder(1, 2))), [2, 1, 0, 0, 0]);
    assert.deepEqual(times(afterHolder(tellings, holder(2, 2))), [1, 0, 0, 0, 0]);
    assert.deepEqual(afterHolder(tellings, holder(3, 3)), NEVER_TOLD);
  });

  test('is not known of other events', () => {
    const tellings = ofOtherEvents(afterHolder(NEVER_TOLD, holder(0, 2)));
    assert.deepEqual(times(tellings), [1, 1, 0, 0, 0]);
    assert.deepEqual(ofOtherEvents(NEVER_TOLD), NEVER_TOLD);
  });
});

describe('how many may be told before that is written down', () => {
  /** How often a holder writes that tells so many, and writes at no other occasion. */
  function writes(before: Tellings, events: number): number {
    const allowance = new Allowance(before);
    let may = 0;
    let count = 0;
    for (let told = 0; told < events; told += 1) {
      if (told < may) continue;
      may = allowance.beyondNext(told);
      assert.ok(may > told);
      count += 1;
    }
    return count;
  }

  test('grows: a holder of a million events waits for about a hundred and fifty writes', () => {
    assert.equal(writes(NEVER_TOLD, 1), 1);
    assert.equal(writes(NEVER_TOLD, 8192), 14);
    assert.ok(writes(NEVER_TOLD, 1_000_000) < 150);
  });

  test('is one for each that may have been told before, up to a bound', () => {
    const before = (told: number): Tellings => ({ told: [[told, 1]], maybe: [0, 0] });
    assert.equal(writes(before(10), 10), 10);
    assert.equal(writes(before(10), 13), 12); // one, then two
    assert.equal(writes(before(1_000_000), 128), 128);
    assert.equal(writes(before(1_000_000), 128 + 8192), 128 + 14);
  });

  test('is only what was told where a write is made anyway and little is told, more where it held up', () => {
    const allowance = new Allowance(NEVER_TOLD);
    assert.equal(allowance.beyond(0), 0);
    assert.equal(allowance.beyondNext(0), 1);
    assert.equal(allowance.beyond(1), 2);
    assert.equal(allowance.beyondNext(2), 4);
    assert.equal(allowance.beyond(4), 6);
    allowance.reset();
    assert.equal(allowance.beyond(4), 4);
    assert.equal(allowance.beyondNext(4), 5);
  });

  test('does not grow where a write is made once more before anything was told', () => {
    const allowance = new Allowance(NEVER_TOLD);
    for (let attempt = 0; attempt < 3; attempt += 1) assert.equal(allowance.beyondNext(0), 1);
    for (let attempt = 0; attempt < 3; attempt += 1) assert.equal(allowance.beyondNext(1), 3);
    allowance.reset();
    for (let attempt = 0; attempt < 3; attempt += 1) assert.equal(allowance.beyondNext(1), 2);
    assert.equal(allowance.beyondNext(2), 4);
  });
});
