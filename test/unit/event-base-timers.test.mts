import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { InvalidArgumentError } from '../../lib/errors.ts';
import { assertNothingLeft, models, openBase, until } from '../faults/harness.mts';
import { succeedsAtTimes } from '../loop-time.mts';

after(assertNothingLeft);

for (const model of models) {
  describe(`timers of a ${model} base`, () => {
    test('fire in the order of their delays, equal ones in the order made', async () => {
      await using base = openBase(model);
      base.ref();
      await succeedsAtTimes(async () => {
        const fired: string[] = [];
        for (const delay of [40, 20, 30]) base.timer(delay, () => fired.push(`${delay}`));
        for (const name of ['a', 'b', 'c']) base.timer(5, () => fired.push(name));
        await until(() => fired.length === 6, 'six timers fire');
        return isDeepStrictEqual(fired, ['a', 'b', 'c', '20', '30', '40']);
      });
    });

    test('never fire before their time', async () => {
      await using base = openBase(model);
      base.ref();
      const early: number[] = [];
      let fired = 0;
      for (let i = 0; i < 200; i += 1) {
        const delay = (i % 20) + (i % 7) / 10;
        const began = performance.now();
        base.timer(delay, () => {
          fired += 1;
          const late = performance.now() - began - delay;
          if (late < 0) early.push(late);
        });
      }
      await until(() => fired === 200, 'all fire');
      assert.deepEqual(early, []);
    });

    test('of delay 0 fire after the caller has returned', async () => {
      await using base = openBase(model);
      base.ref();
      let fired = false;
      await new Promise<void>((resolve) => {
        base.timer(0, () => {
          fired = true;
          resolve();
        });
        assert.equal(fired, false);
      });
    });

    test('do not fire once cancelled, and may be cancelled twice and by using', async () => {
      await using base = openBase(model);
      base.ref();
      const fired: string[] = [];
      const first = base.timer(1, () => fired.push('cancelled'));
      first.cancel();
      first.cancel();
      {
        using second = base.timer(1, () => fired.push('disposed'));
        void second;
      }
      base.timer(10, () => fired.push('kept'));
      await until(() => fired.includes('kept'), 'the one left fires');
      assert.deepEqual(fired, ['kept']);
      first.cancel();
    });

    test('cancel each other from inside a callback, also when due at the same moment', async () => {
      await using base = openBase(model);
      base.ref();
      const fired: string[] = [];
      const victims = [0, 1, 2].map(() => base.timer(10, () => fired.push('victim')));
      const killer = base.timer(5, () => {
        fired.push('killer');
        killer.cancel();
        for (const victim of victims) victim.cancel();
      });
      // Due together: the first to be delivered cancels the second.
      const pair = [
        base.timer(8, () => pair[1]?.cancel()),
        base.timer(8, () => fired.push('second of a pair')),
      ];
      base.timer(30, () => fired.push('end'));
      await until(() => fired.includes('end'), 'the last one fires');
      assert.deepEqual(fired, ['killer', 'end']);
    });

    test('started from inside a callback fire in later turns and never starve the loop', async () => {
      await using base = openBase(model);
      base.ref();
      let fired = 0;
      let turns = 0;
      let going = true;
      const again = (): void => {
        fired += 1;
        if (going) base.timer(0, again);
      };
      again();
      const count = (): void => {
        turns += 1;
        if (turns < 20) setTimeout(count, 0);
      };
      count();
      await until(() => turns === 20 && fired > 20, 'both go on');
      going = false;
    });

    test('throwing callbacks become uncaught exceptions and the others still fire', async () => {
      await using base = openBase(model);
      base.ref();
      const uncaught: unknown[] = [];
      const before = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.on('uncaughtException', (error) => uncaught.push(error));
      try {
        let fired = 0;
        const fault = new Error('thrown by a timer');
        base.timer(1, () => {
          throw fault;
        });
        base.timer(1, () => {
          fired += 1;
        });
        await until(() => fired === 1 && uncaught.length === 1, 'both are heard of');
        assert.equal(uncaught[0], fault);
      } finally {
        process.removeAllListeners('uncaughtException');
        for (const listener of before) process.on('uncaughtException', listener);
      }
    });

    test('refuse delays that are none, at the call', async () => {
      await using base = openBase(model);
      for (const delay of [-1, Number.NaN, 2 ** 31, '1' as unknown as number]) {
        assert.throws(() => base.timer(delay, () => {}), InvalidArgumentError);
      }
      assert.throws(() => base.timer(1, undefined as unknown as () => void), InvalidArgumentError);
      base.timer(2 ** 31 - 1, () => {}).cancel();
    });

    test('two hundred thousand: every other one cancelled, the rest fires once each', async () => {
      await using base = openBase(model);
      base.ref();
      const total = 200_000;
      let fired = 0;
      let wrong = 0;
      const count = (): void => {
        fired += 1;
      };
      const bad = (): void => {
        wrong += 1;
      };
      for (let i = 0; i < total; i += 2) {
        base.timer(i % 512, count);
        base.timer(600_000 + i, bad).cancel();
      }
      await until(() => fired >= total / 2, 'those that were not cancelled fire');
      const stats = await base.stats();
      assert.deepEqual({ fired, wrong, left: stats.timers }, { fired: total / 2, wrong: 0, left: 0 });
    });

    test('two hundred thousand pending ones are gone with the base', async () => {
      const base = openBase(model);
      for (let i = 0; i < 200_000; i += 1) base.timer(60_000 + (i % 1000), () => assert.fail());
      await base.close();
      assert.equal(base.closed, true);
    });
  });
}
