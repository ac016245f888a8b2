// Scenario 32, a kill in the middle of a commit, is test/crash, some hundred times over.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PositionLostError, SpecChangedError, SubscriptionBusyError } from '../../lib/index.ts';
import { long } from '../effort.mts';
import { Directory, Marker, Order, open, order, short } from './events-shop.mts';
import { until } from './harness.mts';

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** Another process, and what it says, in its order. */
class Other {
  readonly child: ChildProcess;
  readonly #said: unknown[] = [];
  #wake: () => void = () => {};

  constructor(name: string, ...args: (string | number)[]) {
    this.child = fork(script(name), args.map(String), { execArgv: [] });
    this.child.on('message', (message) => {
      this.#said.push(message);
      this.#wake();
    });
  }

  async next(): Promise<unknown> {
    while (this.#said.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#said.shift();
  }

  /** Resolves when it has said that. */
  async says(wanted: unknown): Promise<void> {
    while ((await this.next()) !== wanted);
  }

  async kill(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

describe('waiting for events by name', () => {
  test('scenario 39: a wait that nothing comes for ends with timeout, and the next is told what comes then', async () => {
    await using db = await open();
    const begin = performance.now();
    assert.deepEqual(await db.events.wait('orderNew', { timeout: 200 }), { status: 'timeout' });
    // Timers count from when the loop last looked at the clock.
    assert.ok(performance.now() - begin >= 100);
    await db.records(Order).insert(order(1));
    const result = await db.events.wait('orderNew', { timeout: 5000 });
    assert.ok(result.status === 'event' && result.event.key === 1);
    assert.deepEqual(await db.events.wait('orderNew', { timeout: 0 }), { status: 'timeout' });
  });

  test('scenario 41: all who wait for a name are told', async () => {
    await using db = await open();
    const waiting = [1, 2, 3].map(() => db.events.waitEvent('orderNew'));
    await db.records(Order).insert(order(7));
    for (const result of await Promise.all(waiting))
      assert.ok(result.status === 'event' && result.event.key === 7);
  });

  test('scenario 42: what is committed right after listening is never missed, thousands of times', async () => {
    await using db = await open();
    const connection = db.events.connection();
    connection.listen('orderNew');
    for (let id = 0; id < (long ? 10_000 : 2000); id += 1) {
      const feed = db.events.feed(Order, { kinds: ['new'] });
      const write = db.records(Order).insert(order(id));
      const [waited, fed] = await Promise.all([connection.wait('orderNew'), feed.next(), write]);
      assert.ok(waited.status === 'event' && waited.event.key === id && fed.value?.key === id);
      feed.close();
    }
    connection.close();
  });

  test('a release ends waits, those to come too, until it is taken back; nothing committed meanwhile is lost', async () => {
    await using db = await open();
    const other = db.events.connection();
    const elsewhere = other.wait('orderNew');
    const waiting = db.events.wait('orderNew');
    db.events.releaseAllEvents();
    assert.deepEqual(await waiting, { status: 'released' });
    assert.deepEqual(await db.events.wait('orderNew'), { status: 'released' });
    await db.records(Order).insert(order(1));
    assert.equal((await elsewhere).status, 'event');
    db.events.reset();
    assert.equal((await db.events.wait('orderNew')).status, 'event');
    db.events.release('orderNew');
    assert.deepEqual(await db.events.wait('orderNew'), { status: 'released' });
    assert.deepEqual(await db.events.wait('Order.update', { timeout: 0 }), { status: 'timeout' });
    other.close();
  });

  test('an abort rejects, a number stands for a name, and the end of the database releases', async () => {
    const db = await open();
    const reason = new Error('enough');
    await assert.rejects(db.events.wait('orderNew', { signal: AbortSignal.abort(reason) }), reason);
    const controller = new AbortController();
    const aborted = db.events.wait('orderNew', { signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(aborted, reason);
    db.events.listen(1);
    await db.records(Order).insert(order(1));
    const result = await db.events.wait(1);
    assert.ok(result.status === 'event' && result.event.kind === 'new');
    const last = db.events.wait('orderNew');
    await db.close();
    assert.deepEqual(await last, { status: 'released' });
  });

  test('what is not kept any more is a gap, and what is kept follows', async () => {
    await using db = await open({ retention: { maxBytes: 50_000 } });
    db.events.listen('orderNew');
    const note = 'x'.repeat(1000);
    for (let id = 0; id < 500; id += 1) await db.records(Order).insert(order(id, { note }));
    const gap = await db.events.wait('orderNew');
    assert.ok(gap.status === 'gap' && gap.gap.dropped === undefined);
    const next = await db.events.wait('orderNew');
    assert.ok(next.status === 'event' && next.event.key > 300);
    const lost = db.events.feed(Order, { from: gap.gap.from });
    await assert.rejects(lost.next(), PositionLostError);
  });
});

describe('a durable subscription', () => {
  const keys = (log: unknown[]) => (event: { readonly kind: string; readonly key?: unknown }) => {
    if (event.kind === 'new') log.push(event.key);
  };

  test('scenario 31: tells after a kill what was committed before it and not told', async () => {
    await using directory = await Directory.make();
    const db = await open({}, directory.url);
    const holder = new Other('events-holder.mjs', directory.path, 'billing');
    await holder.says('live');
    for (const id of [1, 2, 3, 4]) await db.records(Order).insert(order(id));
    await holder.says(3);
    await assert.rejects(
      db.events.durable('billing', Order, () => {}),
      SubscriptionBusyError,
    );
    await holder.kill();
    // Its process is gone: nobody has to wait for its lease to run out.
    const seen: unknown[] = [];
    const subscription = await db.events.durable('billing', Order, (event) => {
      if (event.kind === 'new') seen.push([event.key, event.redelivered]);
    });
    await subscription.caughtUp();
    assert.deepEqual(seen.slice(-2), [
      [3, true],
      [4, false], // it was not come to
    ]);
    await subscription.close();
    await subscription.closed;
    await db.close();
  });

  test('scenario 33: with the acknowledgement in its transaction, an effect comes once however it ends', async () => {
    await using db = await open();
    let failures = 2;
    const handler = async (event: {
      readonly kind: string;
      readonly key?: number;
      ack(tx?: unknown): Promise<void>;
    }) => {
      if (event.kind !== 'new' || event.key === undefined || event.key >= 1000) return;
      const { key } = event;
      await db.transaction(async (tx) => {
        await tx.records(Order).insert(order(1000 + key));
        await event.ack(tx);
        if (key === 2 && failures > 0) {
          failures -= 1;
          throw new Error('before the commit');
        }
      });
      if (key === 3 && failures === 0) {
        failures = -1;
        throw new Error('after the commit');
      }
    };
    for (const id of [1, 2, 3, 4]) await db.records(Order).insert(order(id));
    for (let attempt = 0; attempt < 6; attempt += 1) {
      const subscription = await db.events.durable('effects', Order, handler as never, {
        from: 'beginning',
        ack: 'manual',
      });
      await subscription.caughtUp().catch(() => {});
      await subscription.close();
      await subscription.closed.catch(() => {});
    }
    const effects = await db.records(Order).find({ from: 1000 }).all();
    assert.deepEqual(
      effects.map(({ id }) => id),
      [1001, 1002, 1003, 1004],
    );
  });

  test('an acknowledgement within a transaction counts for what came before it, and for no more', async () => {
    await using db = await open();
    await db.transaction(async (tx) => {
      for (const id of [1, 2, 3]) await tx.records(Order).insert(order(id));
    });
    await db.records(Order).update(1, { state: 2, note: 'x' });
    const told: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      // Each holder acknowledges one event and fails on the next.
      let acknowledged = false;
      const subscription = await db.events.durable(
        'one-by-one',
        Order,
        async (event) => {
          if (acknowledged) throw new Error('enough');
          told.push(short(event));
          await db.transaction((tx) => event.ack(tx));
          acknowledged = true;
        },
        { from: 'beginning', ack: 'manual' },
      );
      await subscription.caughtUp().catch(() => {});
      await subscription.close();
      await subscription.closed.catch(() => {});
    }
    assert.deepEqual(told, ['new 1', 'new 2', 'new 3', 'update 1', 'fieldUpdate state 1']);
  });

  test('goes on where it was acknowledged, and is begun anew as nothing was', async () => {
    await using db = await open();
    const first: unknown[] = [];
    const subscription = await db.events.durable('a', Order, keys(first));
    for (const id of [1, 2]) await db.records(Order).insert(order(id));
    await subscription.caughtUp();
    await subscription.close();
    await subscription.closed;
    for (const id of [3, 4]) await db.records(Order).insert(order(id));
    const second: unknown[] = [];
    const again = await db.events.durable('a', Order, keys(second));
    await again.caughtUp();
    assert.deepEqual(
      [first, second],
      [
        [1, 2],
        [3, 4],
      ],
    );
    await again.close();
  });

  test('is held by one: the next waits for it, as long as it may', async () => {
    await using db = await open();
    const first = await db.events.durable('a', Order, () => {});
    await assert.rejects(
      db.events.durable('a', Order, () => {}),
      SubscriptionBusyError,
    );
    await assert.rejects(db.events.forget('a'), SubscriptionBusyError);
    const next = db.events.durable('a', Order, () => {}, { wait: 5000 });
    await first.close();
    const second = await next;
    await second.close();
    await second.closed;
  });

  test('is for the events it was made for, unless it is taken over', async () => {
    await using db = await open();
    const end = async (subscription: Awaited<ReturnType<typeof db.events.durable>>) => {
      await subscription.close();
      await subscription.closed;
    };
    await end(await db.events.durable('a', Order, () => {}));
    await assert.rejects(
      db.events.durable('a', Order, () => {}, { kinds: ['new'] }),
      SpecChangedError,
    );
    await assert.rejects(
      db.events.durable('a', Marker, () => {}),
      SpecChangedError,
    );
    await end(await db.events.durable('a', Order, () => {}, { kinds: ['new'], migrate: true }));
    await end(await db.events.durable('a', Order, () => {}, { kinds: ['new'] }));
  });

  test('begins with the records there are, without a hole and without telling anything twice', async () => {
    await using db = await open();
    await db.transaction(async (tx) => {
      for (let id = 0; id < 2000; id += 1) await tx.records(Order).insert(order(id));
    });
    const state = new Map<unknown, unknown>();
    const kinds = new Map<string, number>();
    let writes = Promise.resolve<unknown>(undefined);
    const subscription = await db.events.durable(
      'copy',
      Order,
      (event) => {
        kinds.set(event.kind, (kinds.get(event.kind) ?? 0) + 1);
        if (event.kind === 'snapshot' || event.kind === 'new') {
          assert.ok(!state.has(event.key), `${event.key} is told twice`);
          state.set(event.key, event.after);
        } else if (event.kind === 'update') state.set(event.key, event.after);
        else if (event.kind === 'delete') state.delete(event.key);
        if (kinds.get('snapshot') === 100 && event.kind === 'snapshot')
          writes = Promise.all([
            db.records(Order).insert(order(5000)),
            db.records(Order).update(1999, { note: 'late' }),
            db.records(Order).remove(0),
          ]);
      },
      { from: { snapshot: true } },
    );
    await until(() => kinds.get('snapshot') === 2000);
    await writes;
    await subscription.caughtUp();
    assert.deepEqual(state, new Map((await db.records(Order).find().all()).map((each) => [each.id, each])));
    assert.deepEqual([kinds.get('snapshot'), kinds.get('new'), kinds.get('delete')], [2000, 1, 1]);
    await subscription.close();
  });

  test('that was away for too long says so, or begins anew with the records there are', async () => {
    await using db = await open({ retention: { maxBytes: 50_000 } });
    const first = await db.events.durable('a', Order, () => {});
    await first.close();
    await first.closed;
    const note = 'x'.repeat(1000);
    for (let id = 0; id < 500; id += 1) await db.records(Order).insert(order(id, { note }));
    await assert.rejects(
      db.events.durable('a', Order, () => {}),
      PositionLostError,
    );
    let snapshots = 0;
    const again = await db.events.durable(
      'a',
      Order,
      (event) => {
        if (event.kind === 'snapshot') snapshots += 1;
      },
      { onLost: 'snapshot' },
    );
    await again.caughtUp();
    assert.equal(snapshots, 500);
    await again.close();
  });
});

describe('several processes on one directory', () => {
  test('scenario 43: two write, two subscribe: both see the same, in the same order', async () => {
    await using directory = await Directory.make();
    const db = await open({}, directory.url);
    const count = 2000;
    const readers = [1, 2].map(() => new Other('events-reader.mjs', directory.path, 2 * count));
    await Promise.all(readers.map((reader) => reader.says('live')));
    const seen = readers.map((reader) => reader.next());
    const write = (name: string) =>
      promisify(execFile)(process.execPath, [
        script('events-writer.mjs'),
        directory.path,
        name,
        String(count),
      ]);
    const writing = Promise.all([write('1'), write('2')]);
    await delay(200);
    await rm(path.join(directory.path, 'wake'));
    await writing;
    const [first, second] = await Promise.all(seen);
    assert.deepEqual(first, second);
    assert.equal(new Set(first as string[]).size, 2 * count);
    await db.close();
  });

  test('a commit of one wakes the others, which do not wait for the look that they take once a second', async () => {
    await using directory = await Directory.make();
    const db = await open({}, directory.url);
    const count = 10;
    const reader = new Other('events-reader.mjs', directory.path, count, 'echo');
    await reader.says('live');
    const latencies: number[] = [];
    for (let id = 1; id <= count; id += 1) {
      await db.records(Order).insert(order(id));
      const committed = performance.timeOrigin + performance.now();
      const { key, at } = (await reader.next()) as { key: number; at: number };
      assert.equal(key, id);
      latencies.push(at - committed);
    }
    await reader.next();
    // Found by a look, each but the first would be a second late, for it was committed just after one.
    const least = Math.min(...latencies.slice(1));
    assert.ok(least < 500, `at least ${least.toFixed(2)} ms`);
    await db.close();
  });
});
