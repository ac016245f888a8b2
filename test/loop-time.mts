import assert from 'node:assert/strict';
import type { EventBase } from '../lib/event-base/event-base.ts';

/**
 * Fails when the attempt takes less than `least` ms, or is each time still going on when a timer of the same base fires that was due `most` ms
 * after its beginning. A machine with other work holds up the timer as well; a fault of the client holds up the attempt alone, each time.
 */
export async function takes(
  base: EventBase,
  least: number,
  most: number,
  attempt: () => Promise<unknown>,
): Promise<void> {
  let isLate = true;
  for (let round = 0; round < 10 && isLate; round += 1) {
    isLate = false;
    const start = performance.now();
    using _ = base.timer(most, () => {
      isLate = true;
    });
    await attempt();
    const took = performance.now() - start;
    assert.ok(took >= least, `took ${took} ms`);
  }
  assert.ok(!isLate, `was not over within ${most} ms`);
}

/** Fails when no round of ten is free of faults: a machine with other work causes some at times, a fault of the client shows each time. */
export async function succeedsAtTimes(round: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 10; i += 1) if (await round()) return;
  assert.fail('none of ten rounds succeeded');
}
