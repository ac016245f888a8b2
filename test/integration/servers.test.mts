import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, UnsupportedError } from '../../lib/index.ts';
import { startServer, type TestServer } from '../../lib/testing/index.ts';
import { BOTH_PROTOCOLS, everywhere, onBothBases, until } from './harness.mts';

everywhere(
  'a server, asked itself,',
  (site) => {
    test('tells its statistics and its version', async () => {
      await using db = await site.open();
      await db.upsert(site.key(), 'a');
      const { values, errors } = await db.serverStats();
      assert.equal(errors.size, 0);
      const stats = values.get(site.node);
      assert.match(stats?.['curr_items'] ?? '', /^[1-9]/);
      assert.equal(stats?.['version'], await db.version());
      assert.deepEqual(await db.serverVersions(), {
        values: new Map([[site.node, await db.version()]]),
        errors: new Map(),
      });
    });

    test('tells a group of its statistics, one without members, and that there is none of the name', async () => {
      await using db = await site.open();
      const settings = await db.serverStats({ group: 'settings' });
      assert.equal(settings.values.get(site.node)?.['cas_enabled'], 'yes');
      await db.flushAll();
      assert.deepEqual((await db.serverStats({ group: 'nothing' })).values, new Map());
      const error = (await db.serverStats({ group: 'nothing' })).errors.get(site.node);
      assert.ok(error instanceof UnsupportedError);
      assert.equal(error.context.node, site.node);
      assert.equal(await db.get('behind'), undefined);
    });

    test('tells every group that it has, and counts on as before', async () => {
      await using db = await site.open();
      await db.get(site.key());
      for (const group of ['items', 'slabs', 'sizes', 'settings', 'conns', 'extstore', 'Reset']) {
        const { errors } = await db.serverStats({ group });
        assert.notEqual(errors.get(site.node)?.code, 'EVENKEEL_TIMEOUT', group);
      }
      const { values } = await db.serverStats();
      assert.match(values.get(site.node)?.['cmd_get'] ?? '', /^[1-9]/);
    });

    test('forgets its records, at once or later', async () => {
      await using db = await site.open();
      const key = site.key();
      await db.upsert(key, 'a');
      const agreed = { values: new Map([[site.node, true]]), errors: new Map() };
      assert.deepEqual(await db.flushAll({ delay: 1000 }), agreed);
      assert.equal(await db.get(key), 'a');
      assert.deepEqual(await db.flushAll(), agreed);
      assert.equal(await db.get(key), undefined);
    });

    test('answers in the order of what is asked of it', async () => {
      await using db = await site.open();
      const key = site.key();
      const [, stats, value, versions, again] = await Promise.all([
        db.upsert(key, 'a'),
        db.serverStats(),
        db.get(key),
        db.serverVersions(),
        db.get(key),
      ]);
      assert.deepEqual([stats.values.size, value, versions.values.size, again], [1, 'a', 1, 'a']);
    });
  },
  BOTH_PROTOCOLS,
);

onBothBases('of several servers, asked themselves,', (bases) => {
  const nameOf = ({ port }: TestServer): string => `127.0.0.1:${port}`;

  test('those that fail have errors by name, and the one that is named is asked alone', async () => {
    const servers = await Promise.all([startServer(), startServer(), startServer()]);
    const [dead, first, second] = servers as [TestServer, TestServer, TestServer];
    const db = await bases.connect(`memcached://${servers.map(nameOf).join()}`);
    await dead.stop();
    await until(() => db.topology.nodes[0]?.state === 'disconnected');
    for (const asked of [db.serverStats(), db.serverVersions(), db.flushAll()]) {
      const { values, errors } = await asked;
      assert.deepEqual([...values.keys()].sort(), [nameOf(first), nameOf(second)].sort());
      assert.deepEqual([...errors.keys()], [nameOf(dead)]);
      const error = errors.get(nameOf(dead));
      assert.equal(error?.code, 'EVENKEEL_CONNECTION');
      assert.equal(error.context.node, nameOf(dead));
    }
    const alone = await db.serverVersions({ server: nameOf(second) });
    assert.deepEqual([...alone.values.keys()], [nameOf(second)]);
    await db.close();
    await Promise.all(servers.map((each) => each.close()));
  });

  test('a silent one has a TimeoutError, whose signal rejects, and whose end settles what is under way', async () => {
    const server = await startServer();
    const db = await bases.connect(server.url, { silenceTimeout: 10_000 });
    await server.fault({ opcode: 'stat', action: { kind: 'hang' } });
    const late = await db.serverStats({ timeout: 20 });
    assert.equal(late.errors.get(nameOf(server))?.code, 'EVENKEEL_TIMEOUT');
    const controller = new AbortController();
    const aborted = db.serverStats({ signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(aborted, { message: 'enough' });
    await assert.rejects(db.serverStats({ signal: AbortSignal.abort(new Error('before')) }), {
      message: 'before',
    });
    const closed = db.serverStats();
    await db.close({ timeout: 1 });
    assert.equal((await closed).errors.get(nameOf(server))?.code, 'EVENKEEL_CLOSED');
    assert.throws(() => db.serverStats(), { code: 'EVENKEEL_CLOSED' });
    await server.close();
  });

  test('more than maxValueSize of statistics is an error, and the connection goes on', async () => {
    const server = await startServer({ record: true });
    const db = await bases.connect(server.url, { maxValueSize: 100 });
    const { errors } = await db.serverStats();
    assert.match(errors.get(nameOf(server))?.message ?? '', /maxValueSize/);
    assert.equal(await db.get('k'), undefined);
    assert.equal(
      await server.commands().then((all) => all.filter(({ opcode }) => opcode === 0x0b).length),
      1,
    );
    await db.close();
    await server.close();
  });
});

test('bad arguments throw, which name them, and an engine without servers says so', async () => {
  await using server = await startServer();
  await using db = await connect(server.url);
  const isBad = (argument: string) => ({ code: 'EVENKEEL_INVALID_ARGUMENT', context: { argument } });
  for (const group of ['items\r\nflush_all', 'a b', 1, null, 'x'.repeat(101)])
    assert.throws(() => db.serverStats({ group: group as string }), isBad('group'));
  for (const group of ['reset', 'resets', 'reset.', 'detail', 'sizes_enable', 'sizes_disable'])
    assert.throws(() => db.serverStats({ group }), isBad('group'));
  for (const delay of [-1, 1.5, Number.NaN, 30 * 86400 + 1, '1', null])
    assert.throws(() => db.flushAll({ delay: delay as number }), isBad('delay'));
  for (const name of ['127.0.0.1:1', '', 1, null])
    assert.throws(() => db.serverVersions({ server: name as string }), isBad('server'));
  assert.throws(() => db.serverStats({ delay: 1 } as object), isBad('options'));
  await using embedded = await connect('embedded:');
  for (const ask of ['serverStats', 'serverVersions', 'flushAll'] as const)
    assert.throws(() => embedded[ask](), UnsupportedError);
});
