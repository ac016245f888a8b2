// The core of both engines in one program, which any runtime that has Node's modules can run. It prints a line for each
// check and ends by itself; a check that fails, or never ends, is a failed exit.
//   node test/runtimes/both-engines.mjs [check …]
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import {
  CasMismatchError,
  ClosedError,
  ConnectionError,
  connect,
  defineClass,
  EventBase,
  field,
  InvalidArgumentError,
  index,
  KeyExistsError,
  onDelete,
  onFieldUpdate,
  onNew,
  TimeoutError,
} from 'evenkeel';
import { startServer } from 'evenkeel/testing';

const Order = defineClass('Order', {
  key: 'id',
  fields: { id: field.uint32(), state: field.string(), total: field.float64() },
  indexes: { byState: index('state') },
  events: [onNew(), onFieldUpdate('state'), onDelete()],
});

async function withServer(use, options = {}) {
  const server = await startServer();
  const db = await connect(server.url, { timeout: 5000, ...options });
  try {
    await use(db, server);
  } finally {
    await db.close();
    await server.close();
  }
}

async function withDirectory(use) {
  const directory = await mkdtemp(join(tmpdir(), 'evenkeel-core-'));
  try {
    await use(`embedded://${directory}`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const checks = {
  'memcached: operations': () =>
    withServer(async (db) => {
      await db.upsert('object', { name: 'Ada', list: [1, 2, 3] });
      assert.deepEqual(await db.get('object'), { name: 'Ada', list: [1, 2, 3] });
      await db.upsert('bytes', Buffer.from([0, 255, 10]));
      assert.deepEqual([...(await db.get('bytes'))], [0, 255, 10]);
      assert.equal(await db.get('nobody'), undefined);
      await assert.rejects(db.insert('object', 1), KeyExistsError);
      const { cas } = await db.getRecord('object');
      await db.upsert('object', 'changed');
      await assert.rejects(db.replace('object', 'lost', { cas }), CasMismatchError);
      await db.upsert('text', 'hello');
      await db.append('text', ', world');
      await db.prepend('text', '> ');
      assert.equal(await db.get('text'), '> hello, world');
      assert.equal(await db.increment('hits', { delta: 2n, initial: 5n }), 5n);
      assert.equal(await db.increment('hits', { delta: 2n }), 7n);
      assert.equal(await db.touch('text', { ttl: 60 }), true);
      assert.equal(await db.remove('text'), true);
      assert.equal(await db.exists('text'), false);
      assert.deepEqual([...(await db.getMany(['object', 'text'])).keys()], ['object']);
    }),

  'memcached: large values': () =>
    withServer(async (db) => {
      const large = Buffer.alloc(700_000, 'abc');
      await Promise.all(Array.from({ length: 8 }, (_, i) => db.upsert(`large-${i}`, large)));
      const read = await Promise.all(Array.from({ length: 8 }, (_, i) => db.get(`large-${i}`)));
      for (const value of read) assert.ok(large.equals(value));
    }),

  'memcached: many at a time': () =>
    withServer(async (db) => {
      const keys = Array.from({ length: 20_000 }, (_, i) => `key-${i}`);
      await Promise.all(keys.map((key, i) => db.upsert(key, i)));
      assert.deepEqual(
        await Promise.all(keys.map((key) => db.get(key))),
        keys.map((_, i) => i),
      );
    }),

  'memcached: scheduling': () =>
    withServer(async (db) => {
      await db.upsert('a', 1);
      const [a, b] = await db.schedule((context) => [context.get('a'), context.upsert('b', 2)]);
      assert.equal(a, 1);
      assert.equal(typeof b.cas, 'bigint');
    }),

  'memcached: deadlines, aborts, bad arguments': () =>
    withServer(async (db, server) => {
      const fault = await server.fault({ action: { kind: 'hang' } });
      await assert.rejects(db.get('k', { timeout: 30 }), TimeoutError);
      await assert.rejects(db.get('k', { signal: AbortSignal.timeout(30) }), { name: 'TimeoutError' });
      await fault.remove();
      assert.throws(() => db.get('k'.repeat(251)), InvalidArgumentError);
      await assert.rejects(async () => db.get('k', { timeout: 'soon' }), InvalidArgumentError);
    }),

  'memcached: a server that goes and comes back': async () => {
    const server = await startServer();
    const { port } = new URL(server.url);
    const db = await connect(server.url, { timeout: 10_000 });
    await db.upsert('k', 'v');
    const reads = Array.from({ length: 100 }, () => db.get('k', { timeout: 200 }));
    await server.close();
    for (const { status, reason } of await Promise.allSettled(reads))
      assert.ok(
        status === 'fulfilled' || reason instanceof TimeoutError || reason instanceof ConnectionError,
      );
    const again = await startServer({ port: Number(port) });
    assert.equal(await db.get('k'), undefined);
    await db.close();
    await again.close();
  },

  'memcached: nobody listens': async () => {
    const server = await startServer();
    await server.close();
    await assert.rejects(connect(server.url, { connectTimeout: 500 }), ConnectionError);
  },

  'memcached: closing': async () => {
    const server = await startServer();
    const db = await connect(server.url);
    const under = Promise.allSettled(Array.from({ length: 1000 }, (_, i) => db.upsert(`k${i}`, i)));
    await Promise.all([db.close(), db.close()]);
    assert.equal((await under).length, 1000);
    assert.throws(() => db.get('k'), ClosedError);
    await server.close();
  },

  'event bases: timers, signals, threads, statistics': async () => {
    for (const base of [EventBase.host, EventBase.create({ name: 'core' })]) {
      await new Promise((resolve) => {
        base.ref();
        base.timer(5, resolve);
      });
      const cancelled = base.timer(1, () => assert.fail('it was cancelled'));
      cancelled.cancel();
      const told = new Promise((resolve) => base.signal('SIGUSR2', resolve));
      await base.stats(); // the watch has reached the base's thread
      process.kill(process.pid, 'SIGUSR2');
      assert.equal(await told, 'SIGUSR2');
      assert.ok((await base.stats()).polls > 0);
      await base.close();
      assert.throws(() => base.timer(1, () => {}), ClosedError);
    }
    assert.equal(EventBase.host.closed, false);
  },

  'event bases: what a callback throws is uncaught, and nothing stops': async () => {
    const thrown = new RangeError('thrown by a callback');
    const uncaught = once(process, 'uncaughtException');
    EventBase.host.timer(1, () => {
      throw thrown;
    });
    EventBase.host.ref();
    assert.equal((await uncaught)[0], thrown);
    await new Promise((resolve) => EventBase.host.timer(1, resolve));
    EventBase.host.unref();
  },

  'event bases: operations on one of their own': () =>
    withServer(async (db) => {
      const base = EventBase.create();
      await db.via(base).upsert('k', 'v');
      assert.equal(await db.via(base).get('k'), 'v');
      await base.close();
      assert.equal(await db.get('k'), 'v');
    }),

  'embedded: records, indexes, transactions': async () => {
    const db = await connect('embedded:', { classes: [Order] });
    const orders = db.records(Order);
    await Promise.all(
      Array.from({ length: 500 }, (_, id) =>
        orders.insert({ id, state: id % 2 ? 'odd' : 'even', total: id }),
      ),
    );
    assert.equal((await orders.find({ index: 'byState', equals: 'odd' }).all()).length, 250);
    await db.transaction(async (tx) => {
      await tx.records(Order).update(1, { state: 'gone' });
      await tx.upsert('moved', 1);
    });
    assert.equal((await orders.get(1)).state, 'gone');
    await assert.rejects(
      db.transaction(async (tx) => {
        await tx.records(Order).remove(2);
        throw new RangeError('no');
      }),
      RangeError,
    );
    assert.equal((await orders.get(2)).state, 'even');
    await db.close();
  },

  'embedded: events': async () => {
    const db = await connect('embedded:', { classes: [Order] });
    const told = [];
    const subscription = await db.events.on(Order, ['new', 'fieldUpdate:state', 'delete'], (event) => {
      told.push(`${event.kind} ${event.key}`);
    });
    const feed = db.events.feed(Order);
    await db.records(Order).insert({ id: 1, state: 'open', total: 1 });
    await db.records(Order).update(1, { state: 'paid' });
    await db.records(Order).remove(1);
    await subscription.caughtUp();
    assert.deepEqual(told, ['new 1', 'fieldUpdate 1', 'delete 1']);
    assert.equal((await feed.next()).value.after.state, 'open');
    await feed.return();
    await db.close();
  },

  'embedded: a directory is found again': () =>
    withDirectory(async (url) => {
      const first = await connect(url, { classes: [Order] });
      await first.records(Order).insert({ id: 7, state: 'open', total: 1 });
      await first.upsert('plain', { kept: true });
      await first.close();
      const second = await connect(url, { classes: [Order] });
      assert.equal((await second.records(Order).get(7)).state, 'open');
      assert.deepEqual(await second.get('plain'), { kept: true });
      await second.close();
    }),

  'workers: clients of their own, terminated under way': async () => {
    const server = await startServer();
    const workers = Array.from({ length: 3 }, () => new Worker(file, { argv: ['--worker', server.url] }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    await Promise.all(workers.map((worker) => worker.terminate()));
    await server.close();
  },

  'processes: an open client does not keep one alive': async () => {
    const server = await startServer();
    await withDirectory(async (url) => {
      assert.deepEqual(await child('--idle', server.url, url), { code: 0, printed: 'v v' });
      assert.deepEqual(await child('--exit', server.url, url), { code: 7, printed: 'leaving' });
    });
    await server.close();
  },
};

const file = fileURLToPath(import.meta.url);

async function child(...args) {
  const options = 'deno' in process.versions ? ['run', '--allow-all'] : [];
  const running = spawn(process.execPath, [...options, file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  running.stdout.on('data', (data) => {
    printed += data;
  });
  const [code, signal] = await once(running, 'close');
  return { code: code ?? signal, printed: printed.trim() };
}

/** What a worker, or a process that another check starts, does instead of the checks. */
const roles = {
  '--worker': async (url) => {
    const { parentPort } = await import('node:worker_threads');
    const db = await connect(url);
    await db.upsert('worker', 'v');
    parentPort.postMessage(await db.get('worker'));
    for (;;) await Promise.all(Array.from({ length: 100 }, () => db.get('worker')));
  },
  '--idle': async (url, directory) => {
    const remote = await connect(url);
    const local = await connect(directory);
    await Promise.all([remote, local].map((db) => db.upsert('k', 'v')));
    console.log(await remote.get('k'), await local.get('k'));
  },
  '--exit': async (url, directory) => {
    const remote = await connect(url);
    const local = await connect(directory);
    for (const db of [remote, local])
      for (let i = 0; i < 1000; i += 1) db.upsert(`k${i}`, 'v').catch(() => {});
    console.log('leaving');
    setTimeout(() => process.exit(7), 1);
  },
};

async function run(names) {
  for (const name of names) {
    const started = Date.now();
    const tooLong = setTimeout(() => {
      console.error(`${name}: not over after a minute`);
      process.exit(1);
    }, 60_000);
    await checks[name]();
    clearTimeout(tooLong);
    console.log(`${name}: ${Date.now() - started} ms`);
  }
  console.log(`${names.length} checks passed`);
}

const [role, ...rest] = process.argv.slice(2);
if (role in roles) await roles[role](...rest);
else await run(role === undefined ? Object.keys(checks) : [role, ...rest]);
