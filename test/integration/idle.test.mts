import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  connect,
  defineClass,
  EventBase,
  field,
  InvalidArgumentError,
  TimeoutError,
} from '../../lib/index.ts';
import { everywhere, inBothProtocols, nothingIsLeft, outcomes, startPair } from './harness.mts';

const Item = defineClass('Item', { key: 'id', fields: { id: field.uint32() } });

/** Whether it has settled, now that everything has been told that has happened. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const settle = (): void => {
    pending = false;
  };
  promise.then(settle, settle);
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  return pending;
}

everywhere('idle()', (site) => {
  test('resolves after all that was under way, and what followed from it', async () => {
    await using db = await site.open();
    await db.idle();
    const keys = Array.from({ length: 500 }, () => site.key());
    const ended: string[] = [];
    const writes = keys.map((key) => db.upsert(key, 1).then(() => ended.push('write')));
    const reads = db
      .getMany(keys)
      .then(() => db.append(site.key('none'), 'x').catch(() => ended.push('append')));
    await db.idle({ timeout: 60_000 });
    assert.equal(ended.length, 501);
    await Promise.all([...writes, reads]);
  });

  test('waits for a getMany that has no room yet for all its keys', async () => {
    await using db = await site.open({ maxInFlight: 4, maxQueued: 4 });
    const many = db.getMany(Array.from({ length: 100 }, () => site.key()));
    await db.idle();
    assert.equal(await isPending(many), false);
  });
});

inBothProtocols('idle()', (bases) => {
  test('rejects after its time, and when its signal aborts, and leaves what is under way alone', async () => {
    await using pair = await startPair(bases);
    const { db, server } = pair;
    await server.pause();
    const read = db.get('k');
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = assert.rejects(db.idle({ signal: controller.signal }), reason);
    await assert.rejects(db.idle({ timeout: 1 }), (error) => {
      assert.ok(error instanceof TimeoutError && !error.ambiguous);
      assert.deepEqual(error.context, { op: 'idle' });
      return true;
    });
    controller.abort(reason);
    await aborted;
    await assert.rejects(db.idle({ signal: AbortSignal.abort(reason) }), reason);
    const idle = db.idle();
    assert.equal(await isPending(idle), true);
    await server.resume();
    await idle;
    assert.equal(await read, undefined);
  });

  test('waits for a read that is made again after its connection broke', async () => {
    await using pair = await startPair(bases);
    const { db, server } = pair;
    await server.pause();
    const read = db.get('k');
    const idle = db.idle();
    await server.restart({ reset: true });
    await server.resume();
    await idle;
    assert.equal(await isPending(read), false);
  });

  test('of a view is about its event base, of the database about all of them', async () => {
    await using pair = await startPair(bases);
    await using busyBase = EventBase.create();
    await using idleBase = EventBase.create();
    const { db, server } = pair;
    const busy = db.via(busyBase);
    await busy.version();
    await server.pause();
    const read = busy.get('k');
    await db.via(idleBase).idle();
    const idles = [busy.idle(), db.idle()];
    assert.deepEqual(await Promise.all(idles.map(isPending)), [true, true]);
    await server.resume();
    await Promise.all(idles);
    assert.equal(await isPending(read), false);
  });

  test('ends with the database, and with its event base', async () => {
    const pair = await startPair(bases);
    await pair.server.pause();
    const base = EventBase.create();
    const view = pair.db.via(base);
    const operations = outcomes([view.get('k'), pair.db.get('k')]);
    const ofView = view.idle();
    await base.close();
    await ofView;
    const idle = pair.db.idle();
    await pair.db.close({ timeout: 1 });
    await idle;
    await pair.db.idle();
    assert.deepEqual(await operations, ['EVENKEEL_CLOSED', 'EVENKEEL_CLOSED']);
    await pair.server.close();
    await nothingIsLeft();
  });

  test('says what is wrong with its arguments', async () => {
    await using pair = await startPair(bases);
    for (const options of [{ timeout: 0 }, { timeout: null }, { signal: 5 }, null] as unknown[]) {
      assert.throws(() => pair.db.idle(options as object), InvalidArgumentError);
    }
  });
});

describe('idle() of an embedded database', () => {
  test('waits for writes, and for what they wait for', async () => {
    await using db = await connect('embedded:', { classes: [Item] });
    await db.idle();
    const writes = [
      db.upsert('k', 1),
      db.get('k'),
      db.records(Item).insert({ id: 1 }),
      db.records(Item).get(1),
      db.expireNow(),
    ];
    await db.idle();
    assert.deepEqual(await Promise.all(writes.map(isPending)), [false, false, false, false, false]);
  });

  test('waits for a transaction, however long its function takes, and for what is prepared', async () => {
    await using db = await connect('embedded:', { classes: [Item] });
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const transaction = db.transaction(() => finished);
    const idle = db.idle();
    assert.equal(await isPending(idle), true);
    finish();
    await idle;
    await transaction;
    const prepared = await db.prepare((tx) => tx.upsert('k', 1));
    const undecided = db.idle();
    assert.equal(await isPending(undecided), true);
    await assert.rejects(db.idle({ timeout: 1 }), TimeoutError);
    await prepared.commit();
    await undecided;
  });

  test('ends with the database, also when a transaction never does', async () => {
    const db = await connect('embedded:');
    void db.transaction(() => new Promise(() => {}));
    const idle = db.idle();
    await db.close();
    await idle;
  });
});
