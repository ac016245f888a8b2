import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import { connect, type NodeState, type Topology, UnsupportedError } from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { inProcess } from '../faults/elsewhere.mts';
import { until } from '../faults/harness.mts';
import { onBothBases } from './harness.mts';

const statesOf = (told: readonly Topology[]): NodeState[] =>
  told.map(({ nodes }) => nodes[0]?.state ?? 'closed');

onBothBases('the topology of a database', (bases) => {
  test('names the server, its state and version, and since when', async () => {
    await using server = await startServer();
    const before = Date.now();
    const db = await bases.connect(server.url);
    const { nodes } = db.topology;
    assert.equal(nodes.length, 1);
    const [node] = nodes;
    assert.ok(node);
    const { since, ...rest } = node;
    const version = await db.version();
    assert.deepEqual(rest, {
      name: `127.0.0.1:${server.port}`,
      state: 'connected',
      version,
      lastFault: undefined,
      isEjected: false,
    });
    assert.ok(since.getTime() >= before && since.getTime() <= Date.now());
    assert.throws(() => Object.assign(node, { state: 'closed' }), TypeError);
    await db.close();
    assert.equal(node.state, 'connected');
    assert.equal(db.topology.nodes[0]?.state, 'closed');
  });

  test('is told of: the loss of the connection, its return, the end', async () => {
    await using server = await startServer();
    const db = await bases.connect(server.url, { backoff: { min: 1, max: 5 } });
    const told: Topology[] = [];
    db.onTopology((topology) => told.push(topology));
    await server.stop();
    await until(() => told.length === 1, 'the loss');
    const lost = told[0]?.nodes[0];
    assert.ok(lost?.lastFault instanceof Error);
    assert.equal(db.topology.nodes[0]?.state, 'disconnected');
    await server.restart();
    await until(() => told.length === 2, 'the return');
    assert.ok(db.topology.nodes[0]?.lastFault instanceof Error);
    await db.close();
    await until(() => told.length === 3, 'the end');
    assert.deepEqual(statesOf(told), ['disconnected', 'connected', 'closed']);
  });

  test('shows a server that is not there, whoever waits for it or not', async () => {
    const db = await bases.connect('memcached://127.0.0.1:1', { lazy: true, backoff: { min: 1, max: 5 } });
    await until(() => db.topology.nodes[0]?.state === 'disconnected', 'the refusal');
    assert.match(String(db.topology.nodes[0]?.lastFault), /ECONNREFUSED/);
    await db.close();
  });

  test('is told to nobody after cancel(), and to the others whatever one does', async () => {
    await using server = await startServer();
    const db = await bases.connect(server.url, { backoff: { min: 1, max: 5 } });
    const other = await bases.connect(server.url);
    const told: string[] = [];
    const cancelled = db.onTopology(() => told.push('cancelled'));
    const first = db.onTopology(() => {
      told.push('first');
      first.cancel();
      last.cancel();
      void other.close();
      void db.get('k').catch(() => {});
      db.onTopology(() => told.push('nested'));
    });
    const last = db.onTopology(() => told.push('last'));
    db.onTopology(() => told.push('other'));
    cancelled.cancel();
    await server.stop();
    await until(() => told.includes('other'), 'the loss');
    assert.deepEqual(told, ['first', 'other']);
    await db.close({ timeout: 1 });
    await until(() => told.length === 4, 'the end');
    assert.deepEqual(told, ['first', 'other', 'other', 'nested']);
    await other.close();
  });

  test('is told in the context of who listens', async () => {
    await using server = await startServer();
    const storage = new AsyncLocalStorage<string>();
    const db = await bases.connect(server.url);
    const stores: (string | undefined)[] = [];
    storage.run('listener', () => db.onTopology(() => stores.push(storage.getStore())));
    await storage.run('closer', () => db.close());
    await until(() => stores.length > 0, 'the end');
    assert.deepEqual(stores, ['listener']);
  });

  test('ends with the event base, too', async () => {
    await using server = await startServer();
    const db = await bases.connect(server.url);
    const told: Topology[] = [];
    db.onTopology((topology) => told.push(topology));
    await bases.base.close();
    await until(() => told.length === 1, 'the end');
    assert.deepEqual(statesOf(told), ['closed']);
    await db.close();
  });

  test('is listened to by a function', async () => {
    await using server = await startServer();
    await using db = await bases.connect(server.url);
    assert.throws(() => db.onTopology('x' as never), { code: 'EVENKEEL_INVALID_ARGUMENT' });
  });
});

test('a listener that throws ends the process like any other callback, after the other listeners were told', async () => {
  await using server = await startServer();
  const ended = await inProcess(
    async ({ evenkeel, say }, { url }) => {
      const db = await evenkeel.connect(url);
      process.on('uncaughtException', (error) => say(error.message));
      db.onTopology(() => {
        throw new Error('of the listener');
      });
      db.onTopology(({ nodes }) => say(nodes[0]?.state ?? ''));
      await db.close();
    },
    { url: server.url },
  );
  assert.deepEqual([...ended.lines].sort(), ['closed', 'of the listener']);
});

test('an embedded database has none', async () => {
  await using db = await connect('embedded:');
  assert.equal(db.capabilities.topology, false);
  assert.throws(() => db.topology, UnsupportedError);
  assert.throws(() => db.onTopology(() => {}), UnsupportedError);
});
