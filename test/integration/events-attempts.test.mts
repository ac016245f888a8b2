// What `redelivered` and `attempt` say: how often a handler was called with an event by holders that are gone.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { DurableEventOf, DurableOptions } from '../../lib/index.ts';
import { readClock } from '../clock.mts';
import { Order, open, order, type Shop } from './events-shop.mts';
import { until } from './harness.mts';

type Told = DurableEventOf<typeof Order>;
type Options = DurableOptions<typeof Order>;

const keyOf = (event: Told): number => ('key' in event ? event.key : -1);

async function insert(db: Shop, ...ids: number[]): Promise<void> {
  for (const id of ids) await db.records(Order).insert(order(id));
}

/** Holders that come one after the other, as if each had died: their handlers never return, their leases run out. */
class Dying {
  readonly #db: Shop;
  readonly #options: Options;
  #minutes = 0;
  #release = (): void => {};
  readonly #released = new Promise<void>((resolve) => {
    this.#release = resolve;
  });
  readonly #ended: Promise<unknown>[] = [];

  constructor(t: TestContext, db: Shop, options: Options) {
    this.#db = db;
    this.#options = { kinds: ['new'], from: 'beginning', ...options };
    t.after(() => this.#end());
  }

  /** Dies of the first event that `dies` is true for; what each was told as. */
  async hold(dies: (event: Told) => boolean, handler: (event: Told) => unknown = () => {}) {
    const told: [key: number, attempt: number][] = [];
    let isDead = false;
    this.#minutes += 1;
    const clock = readClock(() => Date.now() + this.#minutes * 60_000);
    const subscription = await this.#db.events.durable(
      'name',
      Order,
      async (event) => {
        assert.equal(event.redelivered, event.attempt > 1);
        told.push([keyOf(event), event.attempt]);
        isDead = dies(event);
        if (isDead) await this.#released;
        await handler(event);
      },
      this.#options,
    );
    clock.restore();
    this.#ended.push(subscription.closed.catch(() => {}));
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    subscription.caughtUp().then(over, over);
    await until(() => isDead || isOver);
    return { told, subscription };
  }

  async #end(): Promise<void> {
    this.#release();
    await this.#db.close();
    await Promise.all(this.#ended);
  }
}

for (const ack of ['manual', 'auto'] as const) {
  describe(`after holders that died (${ack})`, () => {
    const handler = (event: Told): unknown => (ack === 'manual' ? event.ack() : undefined);

    test('of one event, that one is counted, and none behind it', async (t) => {
      const db = await open();
      await insert(db, 1, 2, 3, 4, 5);
      const holders = new Dying(t, db, { ack });
      for (let round = 1; round <= 4; round += 1) {
        const { told } = await holders.hold((event) => keyOf(event) === 1, handler);
        assert.deepEqual(told, [[1, round]]);
      }
      const { told } = await holders.hold(() => false, handler);
      assert.deepEqual(told, [
        [1, 5],
        [2, 1],
        [3, 1],
        [4, 1],
        [5, 1],
      ]);
    });

    test('far from where they began, it is found and counted all the same', async (t) => {
      const db = await open();
      const count = 80;
      const poison = 41;
      await insert(db, ...Array.from({ length: count }, (_each, i) => i + 1));
      const holders = new Dying(t, db, { ack });
      let last = 0;
      for (let round = 1; round <= 4; round += 1) {
        const { told } = await holders.hold((event) => keyOf(event) === poison, handler);
        const [key, attempt] = told.at(-1) ?? [];
        assert.equal(key, poison);
        assert.ok(attempt !== undefined && attempt > last && attempt <= round, `${attempt} after ${last}`);
        last = attempt;
      }
      const { told } = await holders.hold(() => false, handler);
      assert.ok(told.every(([key, attempt]) => (key === poison ? attempt >= 4 : attempt <= 2)));
      assert.equal(told.at(-1)?.[1], 1);
    });

    test('before they were told anything, nothing is', async (t) => {
      const db = await open();
      const holders = new Dying(t, db, { ack });
      for (let round = 0; round < 3; round += 1) await holders.hold(() => false, handler);
      const { told, subscription } = await holders.hold(() => false, handler);
      await insert(db, 1, 2);
      await subscription.caughtUp();
      assert.deepEqual(told, [
        [1, 1],
        [2, 1],
      ]);
    });
  });
}

test('an event that is told in vain again and again is no reason to mark those that are told for the first time', async (t) => {
  const db = await open();
  await insert(db, 1, 2, 3);
  const holders = new Dying(t, db, { ack: 'manual' });
  // Told all, and nothing acknowledged; then only the first.
  const first = await holders.hold(() => false);
  await first.subscription.close();
  await first.subscription.closed;
  await holders.hold((event) => keyOf(event) === 1);
  await insert(db, 4);
  const { told } = await holders.hold(() => false);
  assert.deepEqual(told, [
    [1, 3],
    [2, 2],
    [3, 2],
    [4, 1],
  ]);
});

test('a holder that dies of what it replays is counted', async (t) => {
  const db = await open();
  await insert(db, 1);
  const holders = new Dying(t, db, { onError: { outcome: 'park' } });
  const attempts: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    let isReplay = round > 0;
    const { subscription } = await holders.hold(
      () => isReplay,
      () => {
        throw new Error('broken');
      },
    );
    attempts.push(subscription.parked()[0]?.attempts ?? 0);
    isReplay = true;
    void subscription.replayParked().catch(() => {});
    await until(() => (subscription.parked()[0]?.attempts ?? 0) > (attempts.at(-1) ?? 0));
  }
  assert.deepEqual(attempts, [1, 2, 3, 4]);
});
