// The management of a Couchbase cluster against the scripted cluster, over a client of the tests' own.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostPort } from '../../lib/cluster/connection-string.ts';
import { nameOfServer } from '../../lib/cluster/connection-string.ts';
import { CollectionIds, manifestOf } from '../../lib/cluster/couchbase/collections.ts';
import { ConfigMonitor } from '../../lib/cluster/couchbase/config-monitor.ts';
import { Configurations } from '../../lib/cluster/couchbase/configurations.ts';
import { parseCouchbaseUrl } from '../../lib/cluster/couchbase/connection-string.ts';
import { parseErrorMap } from '../../lib/cluster/couchbase/error-map.ts';
import { partitionOf } from '../../lib/cluster/couchbase/partition-map.ts';
import type { Revision } from '../../lib/cluster/couchbase/revision.ts';
import { type RoutingTable, routingTableOf, serverOf } from '../../lib/cluster/couchbase/routing-table.ts';
import { SaltedPasswords, ScramLogin, type ScramMechanism } from '../../lib/cluster/couchbase/scram.ts';
import { CouchbaseStatus, meaningOf } from '../../lib/cluster/couchbase/statuses.ts';
import { AuthenticationError, ConnectionError } from '../../lib/errors.ts';
import {
  type ClusterOptions,
  Feature,
  ClusterOpcode as Op,
  startCluster,
  type TestCluster,
  type TestNode,
} from '../../lib/testing/index.ts';
import { ClusterClient, type ClusterPacket } from '../unit/cluster-client.mts';

const KEYS = Array.from({ length: 100 }, (_, index) => `key${index}`);
const PUSHES = [Feature.duplex, Feature.clusterMapChangeBrief];

/** Timers of the thread, none of which keeps it alive. */
const timers = {
  timer: (ms: number, callback: () => void) => {
    const timer = setTimeout(callback, ms).unref();
    const cancel = (): void => clearTimeout(timer);
    return { cancel, [Symbol.dispose]: cancel };
  },
};

/** A cluster, and what its management knows of it. */
class Site implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly configurations = new Configurations({ bucket: 'default', network: 'auto', isEncrypted: false });
  readonly monitor: ConfigMonitor;
  readonly #features: number[];
  readonly #clients = new Map<string, Promise<ClusterClient>>();

  private constructor(cluster: TestCluster, features: number[], pollInterval: number) {
    this.cluster = cluster;
    this.#features = [Feature.xerror, Feature.configWithKnownVersion, Feature.collections, ...features];
    const { seeds } = parseCouchbaseUrl(cluster.url);
    const options = { seeds, pollInterval, timeout: 2000 };
    this.monitor = new ConfigMonitor(this.configurations, this.#ask.bind(this), timers, options);
  }

  static async start(
    options: ClusterOptions = {},
    { features = [] as number[], pollInterval = Number.POSITIVE_INFINITY } = {},
  ): Promise<Site> {
    const site = new Site(await startCluster({ nodes: 3, ...options }), features, pollInterval);
    await site.monitor.first(30_000);
    return site;
  }

  get table(): RoutingTable {
    const { current } = this.configurations;
    assert.ok(current);
    return routingTableOf(current);
  }

  async client(server: HostPort): Promise<ClusterClient> {
    const name = nameOfServer(server);
    const known = await this.#clients.get(name)?.catch(() => undefined);
    if (known !== undefined && !known.ended) return known;
    const made = ClusterClient.join(server as TestNode, { features: this.#features });
    this.#clients.set(name, made);
    const client = await made;
    void this.#listen(client, server);
    return client;
  }

  async #ask(server: HostPort, known: Revision | undefined): Promise<Buffer | undefined> {
    const extras = Buffer.alloc(known === undefined ? 0 : 16);
    if (known !== undefined) {
      extras.writeBigInt64BE(known.epoch, 0);
      extras.writeBigInt64BE(known.rev, 8);
    }
    const { word, value } = await (await this.client(server)).ask({ opcode: Op.getClusterConfig, extras });
    if (word !== 0) throw new ConnectionError(`status ${word}`);
    return value.length === 0 ? undefined : value;
  }

  async #listen(client: ClusterClient, server: HostPort): Promise<never> {
    for (;;) {
      const { extras, value } = await client.next();
      const revision = { epoch: extras.readBigInt64BE(0), rev: extras.readBigInt64BE(8) };
      if (value.length > 0) this.monitor.pushed(value, server);
      else this.monitor.announced(revision, server);
    }
  }

  /** Stores a key wherever it is, however long it takes; how many servers did not have it. */
  async store(key: string): Promise<number> {
    for (let refusals = 0; ; await delay(5)) {
      const server = serverOf(this.table, key);
      const answer = server && (await this.#tryStore(server, key));
      if (answer?.word === CouchbaseStatus.success) return refusals;
      if (server === undefined || answer === undefined) {
        this.monitor.refresh();
        continue;
      }
      assert.equal(meaningOf(answer.word, undefined)?.reason, 'not my partition');
      refusals += 1;
      this.monitor.notMyPartition(partitionOf(key, this.table.partitions), answer.value, server);
    }
  }

  /** undefined: there is no answer. */
  async #tryStore(server: HostPort, key: string): Promise<ClusterPacket | undefined> {
    try {
      const client = await this.client(server);
      return await Promise.race([client.set(key, 'value'), delay(500, undefined, { ref: false })]);
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.monitor.close();
    for (const client of this.#clients.values()) await (await client.catch(() => undefined))?.close();
    await this.cluster.close();
  }
}

function nodeAt({ nodes }: TestCluster, number: number): TestNode {
  const node = nodes[number];
  assert.ok(node);
  return node;
}

test('every key goes to the server that has it', async () => {
  await using site = await Site.start();
  assert.equal(site.table.servers.length, 3);
  for (const key of KEYS) assert.equal(await site.store(key), 0);
  for (const key of KEYS) assert.equal((await site.cluster.document(key))?.value.toString(), 'value');
});

test('a seed that is dead makes no difference', async () => {
  await using cluster = await startCluster({ nodes: 2 });
  await nodeAt(cluster, 0).kill();
  const { seeds } = parseCouchbaseUrl(cluster.url);
  const configurations = new Configurations({ bucket: 'default', network: 'auto', isEncrypted: false });
  const ask = async (server: HostPort): Promise<Buffer> => {
    const client = await ClusterClient.join(server as TestNode);
    const { value } = await client.ask({ opcode: Op.getClusterConfig });
    await client.close();
    return value;
  };
  const monitor = new ConfigMonitor(configurations, ask, timers, {
    seeds,
    pollInterval: 2500,
    timeout: 1000,
  });
  const { servers } = await monitor.first(30_000);
  monitor.close();
  assert.equal(servers.length, 2);
});

describe('while a cluster rebalances', () => {
  for (const order of ['old first', 'new first'] as const)
    test(`${order}, every key is stored, and all know in the end where it is`, async () => {
      await using site = await Site.start();
      const { cluster } = site;
      let isOver = false;
      const rebalance = cluster.rebalance({ add: 1, remove: [nodeAt(cluster, 0)], order, pause: 2 });
      const stores = (async () => {
        while (!isOver) for (const key of KEYS) await site.store(key);
      })();
      await rebalance;
      isOver = true;
      await stores;
      for (const key of KEYS) await site.store(key);
      for (const key of KEYS) assert.equal(await site.store(key), 0);
      const gone = nodeAt(cluster, 0).port;
      const keys = KEYS.map((key) => serverOf(site.table, key)?.port);
      assert.ok(!keys.includes(gone));
    });

  test('those who are pushed to know without a request that failed', async () => {
    for (const features of [PUSHES, [Feature.duplex, Feature.clusterMapChange]]) {
      await using site = await Site.start({}, { features });
      const { servers } = site.table;
      for (const server of servers) await site.client(server);
      await site.cluster.rebalance({ add: 1 });
      while (site.table.servers.length < 4) await delay(5);
    }
  });

  test('those who poll know, too', async () => {
    await using site = await Site.start({}, { pollInterval: 50 });
    await site.cluster.rebalance({ add: 1 });
    while (site.table.servers.length < 4) await delay(5);
  });
});

test('when a node is failed over its keys go to its replicas', async () => {
  await using site = await Site.start();
  for (const key of KEYS) await site.store(key);
  const dead = nodeAt(site.cluster, 1);
  await dead.kill();
  await site.cluster.failover(dead);
  for (const key of KEYS) await site.store(key);
  assert.equal(site.table.servers.length, 2);
  for (const key of KEYS) assert.equal((await site.cluster.document(key))?.value.toString(), 'value');
});

test('a node that lies changes nothing', async () => {
  await using site = await Site.start({}, { features: PUSHES });
  for (const server of site.table.servers) await site.client(server);
  const before = site.configurations.current;
  const truth = await site.cluster.configuration('default');
  const lies = [
    '{',
    truth.replace(/"rev":\d+/, '"rev":1e99'),
    truth.replace(/"vBucketMap":\[\[\d/, '"vBucketMap":[[9'),
    truth.replace('"name":"default"', '"name":"other"'),
    '['.repeat(100_000),
  ];
  for (const text of lies) {
    const { fault } = site.monitor;
    await site.cluster.forge({ text });
    site.monitor.refresh();
    while (site.monitor.fault === fault) await delay(5);
    assert.equal(site.configurations.current, before);
  }
  await site.cluster.tellTruth();
  for (const key of KEYS) assert.equal(await site.store(key), 0);
});

describe('a login', () => {
  const login = async (node: TestNode, mechanism: ScramMechanism, password: string): Promise<number> => {
    const client = await ClusterClient.open(node);
    try {
      const scram = new ScramLogin(mechanism, 'Administrator', new SaltedPasswords(password));
      const first = await client.ask({ opcode: Op.saslAuth, key: mechanism, value: scram.first });
      assert.equal(first.word, CouchbaseStatus.authContinue);
      const value = await scram.answer(first.value);
      const last = await client.ask({ opcode: Op.saslStep, key: mechanism, value });
      if (last.word === CouchbaseStatus.success) scram.verify(last.value);
      else assert.throws(() => scram.verify(last.value), AuthenticationError);
      return last.word;
    } finally {
      await client.close();
    }
  };

  for (const mechanism of ['SCRAM-SHA512', 'SCRAM-SHA256', 'SCRAM-SHA1'] as const)
    test(`by ${mechanism} succeeds with the password, and with no other one`, async () => {
      await using cluster = await startCluster();
      assert.equal(await login(nodeAt(cluster, 0), mechanism, 'password'), CouchbaseStatus.success);
      assert.equal(await login(nodeAt(cluster, 0), mechanism, 'Password'), CouchbaseStatus.authError);
    });
});

test('a collection that was dropped and made again has another id, which is asked for', async () => {
  await using site = await Site.start({ collections: { shop: ['orders'] } });
  const [server] = site.table.servers;
  assert.ok(server);
  const client = await site.client(server);
  let asked = 0;
  const ids = new CollectionIds(async (path) => {
    asked += 1;
    const { word, extras, value } = await client.ask({ opcode: Op.collectionsGetId, value: path });
    if (word !== 0) throw new Error(`status ${word}: ${value}`);
    return { manifest: extras.readBigUInt64BE(0), id: extras.readUInt32BE(8) };
  });
  const first = await ids.idOf('shop', 'orders');
  const key = KEYS.find((each) => serverOf(site.table, each) === site.table.servers[0]) ?? '';
  await client.put(key, 'value', { collection: first });
  assert.equal(ids.idOf('shop', 'orders'), first);

  await site.cluster.dropCollection('shop', 'orders');
  await site.cluster.createCollection('shop', 'orders');
  const { word, value } = await client.get(key, first);
  assert.equal(meaningOf(word, undefined)?.reason, 'collection outdated');
  assert.equal(ids.unknown('shop', 'orders', first, manifestOf(value)), 'ask');
  const second = await ids.idOf('shop', 'orders');
  assert.notEqual(second, first);
  assert.equal((await client.get(key, second)).word, CouchbaseStatus.keyNotFound);
  assert.equal(asked, 2);

  await site.cluster.dropCollection('shop', 'orders');
  const { value: last } = await client.get(key, second);
  assert.equal(ids.unknown('shop', 'orders', second, manifestOf(last)), 'ask');
  await assert.rejects(async () => ids.idOf('shop', 'orders'), /136/);
});

test("what this client retries is what the server's error map calls retryable", async () => {
  await using cluster = await startCluster();
  const client = await ClusterClient.open(nodeAt(cluster, 0));
  const { value } = await client.ask({ opcode: Op.getErrorMap, value: Buffer.from([0, 2]) });
  await client.close();
  const { errors } = parseErrorMap(value);
  assert.ok(errors.size > 20);
  for (const [status, { name, attributes }] of errors) {
    const meaning = meaningOf(status, undefined);
    assert.ok(meaning, name);
    if (attributes.has('retry-now') || attributes.has('retry-later')) assert.ok(meaning.reason, name);
    if (attributes.has('fetch-config')) assert.ok(meaning.isOfOldMap, name);
    if (attributes.has('conn-state-invalidated')) assert.ok(meaning.endsConnection, name);
  }
});
