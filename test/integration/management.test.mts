import assert from 'node:assert/strict';
import dns from 'node:dns/promises';
import { afterEach, mock, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { EventBase } from '../../lib/event-base/event-base.ts';
import { loadAddon } from '../../lib/native/load.ts';
import { startServer } from '../../lib/testing/index.ts';
import { nothingIsLeft, onBothBases, until } from './harness.mts';

/** Threads that turn event bases. */
const threads = (): number => loadAddon().counters().threads;

afterEach(() => {
  mock.restoreAll();
});

test("with managementBase 'shared' all is on the host base: there is no thread but JavaScript's", async () => {
  await using server = await startServer();
  const before = threads();
  await using db = await connect(`memcached://localhost:${server.port}`, {
    managementBase: 'shared',
    resolveInterval: 1,
  });
  await db.upsert('k', 1);
  assert.equal(threads(), before);
});

test("with managementBase 'shared' questions of discovery need no thread either", async () => {
  await using server = await startServer();
  await using other = await connect(server.url);
  await other.upsert('AmazonElastiCache:cluster', `1\nlocalhost|127.0.0.1|${server.port}\n`);
  const before = threads();
  const writes = (await EventBase.host.stats()).writes;
  const options = { managementBase: 'shared', discovery: { interval: 1 }, lazy: true } as const;
  await using db = await connect(server.url, options);
  await until(async () => (await EventBase.host.stats()).writes > writes + 2);
  assert.equal(threads(), before);
  await db.close();
  await other.close();
});

test("with managementBase 'internal' there is one more thread, until the database is closed", async () => {
  await using server = await startServer();
  const before = threads();
  const db = await connect(server.url, { managementBase: 'internal' });
  await db.upsert('k', 1);
  assert.equal(threads(), before + 1);
  await db.close();
  await until(() => threads() === before);
});

test("with managementBase 'internal' nothing is left of a database to which nobody answers", async () => {
  await using server = await startServer();
  await server.fault({ on: 'connect', action: { kind: 'silent' } });
  const before = threads();
  await assert.rejects(connect(server.url, { managementBase: 'internal', connectTimeout: 20 }), {
    code: 'EVENKEEL_CONNECTION',
  });
  await until(() => threads() === before);
  await nothingIsLeft();
});

test('a base of the user is used as it is, and left to the user', async () => {
  await using server = await startServer();
  await using base = EventBase.create();
  const before = threads();
  const { timers } = await base.stats();
  const db = await connect(server.url, { managementBase: base });
  assert.equal(threads(), before);
  await until(async () => (await base.stats()).timers > timers);
  await db.close();
  await until(async () => (await base.stats()).timers === timers);
  assert.equal(base.closed, false);
});

test('a base that is closed is refused; one that is closed later is done without', async () => {
  await using server = await startServer();
  const closed = EventBase.create();
  await closed.close();
  await assert.rejects(connect(server.url, { managementBase: closed }), {
    code: 'EVENKEEL_INVALID_ARGUMENT',
    context: { argument: 'managementBase' },
  });
  const base = EventBase.create();
  await using db = await connect(server.url, { managementBase: base });
  await base.close();
  await db.upsert('k', 1);
  await using other = EventBase.create();
  assert.equal(await db.via(other).get('k'), 1);
  await db.close();
});

onBothBases('the addresses of a name', (bases) => {
  test('are asked for again and again, and a connection that lives stays where it is', async () => {
    await using server = await startServer({ host: '0.0.0.0' });
    const answers: string[] = ['127.0.0.1'];
    let questions = 0;
    mock.method(dns, 'lookup', async () => {
      questions += 1;
      return answers.map((address) => ({ address, family: 4 }));
    });
    const url = `memcached://moving.example:${server.port}`;
    await using db = await bases.connect(url, { resolveInterval: 1, backoff: { min: 1, max: 5 } });
    await db.upsert('k', 1);
    answers[0] = '127.0.0.2';
    const asked = questions;
    await until(() => questions > asked + 1);
    assert.equal(await db.get('k'), 1);
    const { port } = server;
    // From here on nobody tells: what was told before is known.
    mock.method(dns, 'lookup', () => Promise.reject(new Error('no resolver')));
    await server.close();
    await using _ = await startServer({ host: '127.0.0.2', port });
    assert.equal(await db.get('k', { timeout: 60_000 }), undefined);
    await db.close();
  });

  test('are not asked for when that is not wanted', async () => {
    await using server = await startServer();
    let questions = 0;
    mock.method(dns, 'lookup', async () => {
      questions += 1;
      return [{ address: '127.0.0.1', family: 4 }];
    });
    const url = `memcached://fixed.example:${server.port}`;
    await using db = await bases.connect(url, { resolveInterval: Number.POSITIVE_INFINITY });
    await db.upsert('k', 1);
    assert.equal(questions, 1);
    await db.close();
  });
});

test('who waits for a connection does so no longer because the base of the management is closed', async () => {
  await using server = await startServer();
  await server.fault({ on: 'connect', action: { kind: 'silent' } });
  const base = EventBase.create();
  const connecting = connect(server.url, { managementBase: base, connectTimeout: 50 });
  await base.close();
  await assert.rejects(connecting, { code: 'EVENKEEL_CONNECTION' });
});
