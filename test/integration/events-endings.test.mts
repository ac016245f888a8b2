// Subscriptions whose thread or process ends without a word.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, defineClass, field, onNew, SubscriptionBusyError } from '../../lib/index.ts';
import { readClock } from '../clock.mts';
import { inProcess, inWorker, messageOf } from '../faults/elsewhere.mts';
import { Directory, Order, open, order } from './events-shop.mts';

const EFFECTS = fileURLToPath(new URL('events-effects.mjs', import.meta.url));

describe('a thread that is terminated', () => {
  test('with subscriptions of every form live holds up nobody, and takes nothing with it', async (t) => {
    await using directory = await Directory.make();
    const db = await open({}, directory.url);
    const begun = Date.now();
    const keys: number[] = [];
    const subscription = await db.events.on(Order, ['new'], ({ key }) => void keys.push(key));
    const rounds = 5;
    for (let round = 0; round < rounds; round += 1) {
      const worker = inWorker(
        async ({ evenkeel, workers }, { url, round }) => {
          const db = await evenkeel.connect(url as 'embedded:', {});
          const classes: readonly import('../../lib/index.ts').ClassDefinition[] = db.classes;
          const order = classes.find((each) => each.name === 'Order') as never;
          const port = workers.parentPort;
          const forms = new Set<string>();
          const heard = (form: string): void => {
            forms.add(form);
            if (forms.size === 4) port?.postMessage('told');
          };
          await db.events.on(order, 'new' as never, () => heard('on'));
          await db.events.durable(`of-${round}`, order, () => heard('durable'));
          const feed = db.events.feed(order);
          void (async () => {
            for await (const _event of feed) heard('feed');
          })();
          void db.events.wait('orderNew' as never).then(() => {
            heard('wait');
            return db.events.wait('orderNew' as never);
          });
          port?.postMessage('live');
        },
        { url: directory.url, round },
      );
      assert.equal(await messageOf(worker), 'live');
      const told = messageOf(worker);
      await db.records(Order).insert(order(2 * round));
      assert.equal(await told, 'told');
      // In the middle of being told of this.
      const writing = db.records(Order).insert(order(2 * round + 1));
      await worker.terminate();
      await writing;
    }
    await subscription.caughtUp();
    assert.deepEqual(
      keys,
      Array.from({ length: 2 * rounds }, (_each, i) => i),
    );
    // Its process lives, and so does what it held, until the time of that has run out.
    const take = (wait = 0) => db.events.durable('of-0', Order, () => {}, { wait });
    const early = readClock(() => begun);
    t.after(() => early.restore());
    await assert.rejects(take(), SubscriptionBusyError);
    early.restore();
    const clock = readClock(() => Date.now() + 11_000);
    t.after(() => clock.restore());
    const next = await take();
    await next.caughtUp();
    await next.close();
    await next.closed;
    clock.restore();
    await subscription.close();
    await db.close();
  });
});

describe('a process that is killed', () => {
  const Effect = defineClass('Effect', { key: 'of', fields: { of: field.uint32() }, events: [onNew()] });

  test('scenario 33: between the effect and what follows leaves each effect made once', async () => {
    await using directory = await Directory.make();
    const db = await connect(directory.url, { classes: [Order, Effect] });
    let id = 0;
    const rounds = 8;
    for (let round = 0; round < rounds; round += 1) {
      const child = fork(EFFECTS, [directory.path], { execArgv: [] });
      const ended = once(child, 'exit');
      await once(child, 'message');
      const last = id + 40;
      const reached = new Promise<void>((resolve, reject) => {
        child.on('message', (message) => {
          if (Number(message) >= last - 20 + round) resolve();
        });
        child.once('exit', () => reject(new Error('it has ended by itself')));
      });
      const writes: Promise<unknown>[] = [];
      while (id < last) {
        id += 1;
        writes.push(db.records(Order).insert(order(id)));
        if (id % 8 === 0) await Promise.all(writes);
      }
      await Promise.all(writes);
      await reached;
      await delay(round % 3);
      child.kill('SIGKILL');
      await ended;
    }
    // What nobody was told of yet is done by the next, at once: there is no lease to wait for.
    const rest = await db.events.durable(
      'effects',
      Order,
      async (event) => {
        if (event.kind !== 'new') return;
        await db.transaction(async (tx) => {
          await tx.records(Effect).insert({ of: event.key });
          await event.ack(tx);
        });
      },
      { kinds: ['new'], ack: 'manual' },
    );
    await rest.caughtUp();
    await rest.close();
    await rest.closed;
    // insert() would have failed on a second one, and stopped the subscription.
    const made = await db.records(Effect).find().all();
    assert.deepEqual(
      made.map(({ of }) => of),
      Array.from({ length: id }, (_each, i) => i + 1),
    );
    await db.close();
  });
});

describe('a process', () => {
  test('whose subscription stops while nobody looks is warned, and goes on', async () => {
    const { code, lines, stderr } = await inProcess(async ({ evenkeel, say }) => {
      const { connect, defineClass, field, onNew } = evenkeel;
      const Item = defineClass('Item', { key: 'id', fields: { id: field.uint32() }, events: [onNew()] });
      const db = await connect('embedded:', { classes: [Item] });
      await db.events.on(Item, ['new'], async () => {
        throw new Error('unseen');
      });
      await db.records(Item).insert({ id: 1 });
      await new Promise((resolve) => process.once('warning', resolve));
      say('goes on');
      await db.close();
    });
    assert.deepEqual([code, lines], [0, ['goes on']]);
    assert.match(stderr, /unseen/);
  });

  test('is kept alive by what waits for events, and ends when that does', async () => {
    const { code, lines } = await inProcess(async ({ evenkeel, say }) => {
      const { connect, defineClass, field, onNew } = evenkeel;
      const Item = defineClass('Item', {
        key: 'id',
        fields: { id: field.uint32() },
        events: [onNew('made')],
      });
      const db = await connect('embedded:', { classes: [Item] });
      const feed = db.events.feed(Item);
      const subscription = await db.events.on(Item, ['new'], () => {});
      const durable = await db.events.durable('name', Item, () => {});
      const told = (async () => {
        for await (const { kind } of feed) {
          say(kind);
          break;
        }
        say('ended');
      })();
      setTimeout(() => {
        db.records(Item)
          .insert({ id: 1 })
          .then(() => told)
          .then(() => Promise.all([subscription.close(), durable.close()]))
          .catch((error) => say(String(error)));
      }, 100).unref();
    });
    assert.deepEqual([code, lines], [0, ['new', 'ended']]);
  });
});
