import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { ClosedError, CrossThreadError, InvalidArgumentError } from '../../lib/errors.ts';
import { EventBase } from '../../lib/event-base/event-base.ts';
import { startServer } from '../../lib/testing/index.ts';
import { inWorker, messageOf } from '../faults/elsewhere.mts';
import { assertNothingLeft, counters, models, openBase, rejection, turn, until } from '../faults/harness.mts';

after(assertNothingLeft);

for (const model of models) {
  describe(`the life of a ${model} base`, () => {
    test('stats count what happened and what is held', async () => {
      await using base = openBase(model);
      const before = await base.stats();
      assert.equal(before.timers, 0);
      let fired = false;
      base.timer(1, () => {
        fired = true;
      });
      const pending = base.timer(60_000, () => {});
      base.ref();
      await until(() => fired, 'the timer fires');
      const now = await base.stats();
      assert.equal(now.timersFired - before.timersFired, 1);
      assert.equal(now.timers, 1);
      assert.ok(now.polls > before.polls);
      pending.cancel();
      assert.equal((await base.stats()).timers, 0);
    });

    test('close resolves for everyone, cancels timers and refuses everything after', async () => {
      const base = openBase(model);
      const { bases, threads } = counters();
      const registration = base.timer(0, () => assert.fail('fired after close'));
      base.timer(60_000, () => assert.fail('fired after close'));
      const signal = base.signal('SIGUSR2', () => {});
      const [first, second] = [base.close(), base.close()];
      assert.equal(base.closed, true);
      await Promise.all([first, second, base.close(), base[Symbol.asyncDispose]()]);
      assert.equal(counters().bases, bases - 1);
      assert.equal(counters().threads, threads - (model === 'thread' ? 1 : 0));
      assert.throws(() => base.timer(1, () => {}), ClosedError);
      assert.throws(() => base.signal('SIGUSR2', () => {}), ClosedError);
      assert.ok((await rejection(base.stats())) instanceof ClosedError);
      registration.cancel();
      signal.cancel();
      base.ref();
      base.unref();
      await turn();
    });

    test('stats asked for before close reject with ClosedError', async () => {
      const base = openBase(model);
      const asked = rejection(base.stats());
      await base.close();
      assert.ok((await asked) instanceof ClosedError);
    });

    test('closes from inside each kind of callback', async () => {
      for (const kind of ['timer', 'signal', 'stats'] as const) {
        const base = openBase(model);
        base.ref();
        const closed = new Promise<void>((resolve, reject) => {
          const close = (): void => {
            base.close().then(resolve, reject);
          };
          if (kind === 'timer') base.timer(1, close);
          else if (kind === 'signal') base.signal('SIGUSR2', close);
          else base.stats().then(close, reject);
        });
        if (kind === 'signal') {
          await base.stats();
          process.kill(process.pid, 'SIGUSR2');
        }
        // What else is due in the same turn must not be delivered any more.
        for (let i = 0; i < 100; i += 1)
          if (!base.closed) base.timer(1, () => assert.equal(base.closed, false));
        await closed;
      }
    });

    test('operations complete on the base they were called on', async () => {
      await using server = await startServer();
      await using base = openBase(model);
      await using other = EventBase.create();
      const db = await connect(server.url, { eventBase: base });
      await db.upsert('k', 1);
      const [before, beforeOther] = [await base.stats(), await other.stats()];
      for (let i = 0; i < 50; i += 1) assert.equal(await db.get('k'), 1);
      const [between, betweenOther] = [await base.stats(), await other.stats()];
      assert.ok(between.readyEvents - before.readyEvents >= 50);
      assert.equal(betweenOther.readyEvents, beforeOther.readyEvents);
      const view = db.via(other);
      assert.equal(view.eventBase, other);
      await view.get('k');
      const start = await base.stats();
      const startOther = await other.stats();
      for (let i = 0; i < 50; i += 1) assert.equal(await view.get('k'), 1);
      assert.equal((await base.stats()).readyEvents, start.readyEvents);
      assert.ok((await other.stats()).readyEvents - startOther.readyEvents >= 50);
      await db.close();
    });

    test('closing it rejects what is under way on it, and only that', async () => {
      await using server = await startServer();
      const base = openBase(model);
      await using other = EventBase.create();
      const db = await connect(server.url, { eventBase: other });
      await db.upsert('k', 'v');
      const view = db.via(base);
      await view.get('k');
      await server.pause();
      const under = [view.get('a'), view.upsert('b', 1), view.getMany(['c', 'd'])].map(rejection);
      const kept = db.get('k');
      await turn();
      await base.close();
      for (const error of await Promise.all(under)) assert.ok(error instanceof ClosedError);
      assert.throws(() => view.get('a'), ClosedError);
      await server.resume();
      assert.equal(await kept, 'v');
      await db.close();
    });

    test('closing it while its database is being closed lets both end', async () => {
      await using server = await startServer();
      const base = openBase(model);
      const db = await connect(server.url, { eventBase: base });
      await server.pause();
      const lost = rejection(db.get('k', { timeout: 60_000 }));
      const closing = db.close({ timeout: 60_000 });
      await base.close();
      await closing;
      assert.ok((await lost) instanceof ClosedError);
    });

    test('connect() on it rejects when it is closed meanwhile', async () => {
      await using server = await startServer();
      await server.fault({ on: 'connect', action: { kind: 'silent' } });
      const base = openBase(model);
      const refused = rejection(connect(server.url, { eventBase: base, connectTimeout: 30_000 }));
      await server.waitForConnections(1);
      await base.close();
      const error = await refused;
      assert.ok(error instanceof ClosedError, String(error));
    });
  });
}

describe('bases and threads', () => {
  test('two bases of one thread work side by side and end apart', async () => {
    await using server = await startServer();
    const [a, b] = [EventBase.create({ name: 'a' }), EventBase.create({ name: 'b' })];
    const db = await connect(server.url, { eventBase: a });
    await Promise.all([db.upsert('k', 1), db.via(b).upsert('l', 2)]);
    await a.close();
    assert.equal(await db.via(b).get('k'), 1);
    await b.close();
    await db.close();
    assert.throws(() => db.via(b), ClosedError);
  });

  test('the host base is one a thread, and a new one after its end', async () => {
    const first = EventBase.host;
    assert.equal(EventBase.host, first);
    await first.close();
    assert.notEqual(EventBase.host, first);
    assert.equal(EventBase.host.model, process.platform === 'linux' ? 'host' : 'thread');
    await EventBase.host.close();
  });

  test('a base sent to another thread is recognised there and refused', async () => {
    await using server = await startServer();
    await using base = EventBase.create();
    const worker = inWorker(async ({ evenkeel, workers }, url: string) => {
      const { parentPort } = workers;
      parentPort?.once('message', async (received: unknown) => {
        const heard: string[] = [];
        const note = (error: unknown): unknown =>
          heard.push(error instanceof evenkeel.CrossThreadError ? error.message : String(error));
        await evenkeel.connect(url, { eventBase: received as EventBase }).catch(note);
        const db = await evenkeel.connect(url);
        try {
          db.via(received as EventBase);
        } catch (error) {
          note(error);
        }
        await db.close();
        parentPort.postMessage(heard);
      });
      parentPort?.postMessage('ready');
    }, server.url);
    await messageOf(worker);
    worker.postMessage(base);
    const heard = await messageOf<string[]>(worker);
    assert.equal(heard.length, 2);
    for (const message of heard) assert.match(message, /belongs to thread 0, this is thread \d+/);
    await worker.terminate();
  });

  test('what is no base is a bad argument', async () => {
    const wrong = [null, 'host', {}, { thread: 'x' }];
    for (const eventBase of wrong as unknown as EventBase[]) {
      const error = await rejection(connect('memcached://127.0.0.1:1', { eventBase }));
      assert.ok(error instanceof InvalidArgumentError);
    }
    const copied = structuredClone({ name: 'x', thread: 7 }) as unknown as EventBase;
    assert.ok(
      (await rejection(connect('memcached://127.0.0.1:1', { eventBase: copied }))) instanceof
        CrossThreadError,
    );
  });

  test('a base that is closed cannot be connected on', async () => {
    const base = EventBase.create();
    await base.close();
    assert.ok(
      (await rejection(connect('memcached://127.0.0.1:1', { eventBase: base }))) instanceof ClosedError,
    );
  });
});
