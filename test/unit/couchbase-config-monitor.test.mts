import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import type { HostPort } from '../../lib/cluster/connection-string.ts';
import { ConfigMonitor } from '../../lib/cluster/couchbase/config-monitor.ts';
import { Configurations } from '../../lib/cluster/couchbase/configurations.ts';
import { compareRevisions, type Revision } from '../../lib/cluster/couchbase/revision.ts';
import {
  AuthenticationError,
  ClosedError,
  ConnectionError,
  InvalidArgumentError,
  UnsupportedError,
} from '../../lib/errors.ts';
import { terseWith } from './couchbase-configurations.mts';
import { ManualTimers } from './manual-timers.mts';

interface Question {
  readonly server: string;
  readonly known: Revision | undefined;
  answer(document: string | undefined): Promise<void>;
  fail(error?: Error): Promise<void>;
}

const address = (host: string): HostPort => ({ host, port: 11210 });
/** The servers of the configurations, by the address of the first. */
const A = address('10.0.0.7');
const B = address('10.0.0.8');

/** A monitor, and what it asks. */
class Site {
  readonly timers = new ManualTimers();
  readonly questions: Question[] = [];
  readonly published: bigint[] = [];
  readonly configurations: Configurations;
  readonly monitor: ConfigMonitor;

  constructor(
    given: { seeds?: HostPort[]; network?: string; pollInterval?: number; bucket?: string | undefined } = {},
  ) {
    const usual = { seeds: [A], network: 'auto', pollInterval: 2500, bucket: 'orders' };
    const { seeds, network, pollInterval, bucket } = { ...usual, ...given };
    this.configurations = new Configurations({ bucket, network, isEncrypted: false });
    this.configurations.listen(({ map }) => this.published.push(map.revision.rev));
    const ask = (server: HostPort, known: Revision | undefined): Promise<string | undefined> =>
      new Promise((resolve, reject) => {
        this.questions.push({
          server: server.host,
          known,
          answer: async (document) => {
            resolve(document);
            await turn();
          },
          fail: async (error = new ConnectionError('refused')) => {
            reject(error);
            await turn();
          },
        });
      });
    this.monitor = new ConfigMonitor(this.configurations, ask, this.timers, {
      seeds,
      pollInterval,
      timeout: 1000,
    });
  }

  /** With the first configuration. */
  static async connected(options = {}): Promise<Site> {
    const site = new Site(options);
    const first = site.monitor.first(2000);
    await site.question.answer(config(1));
    await first;
    site.questions.length = 0;
    return site;
  }

  /** The last one. */
  get question(): Question {
    const question = this.questions.at(-1);
    assert.ok(question);
    return question;
  }

  get asked(): string[] {
    return this.questions.map(({ server }) => server);
  }
}

/** That names all nodes, so that it is the same whoever tells it. */
const config = (rev: number, changes: Record<string, unknown> = {}): string =>
  terseWith({
    rev,
    revEpoch: 1,
    'nodesExt.0.hostname': A.host,
    'vBucketServerMap.serverList': [`${A.host}:11210`, `${B.host}:11210`],
    ...changes,
  });

describe('the first configuration', () => {
  test('is asked of all seeds at once, and the first answer counts', async () => {
    const site = new Site({ seeds: [address('x'), A, address('y')] });
    const first = site.monitor.first(2000);
    assert.deepEqual(site.asked, ['x', A.host, 'y']);
    assert.deepEqual(
      site.questions.map(({ known }) => known),
      [undefined, undefined, undefined],
    );
    await site.questions[1]?.answer(config(7));
    const { map, network, servers } = await first;
    assert.equal(map.revision.rev, 7n);
    assert.equal(network, 'default');
    assert.deepEqual(servers, [A, B]);
    await site.questions[0]?.answer(config(9));
    assert.deepEqual(site.published, [7n]);
  });

  test('is asked for again, with pauses that grow, until a seed has it', async () => {
    const site = new Site({ seeds: [A] });
    const first = site.monitor.first(20_000);
    const times: number[] = [];
    for (let attempt = 0; attempt < 7; attempt += 1) {
      await site.question.fail();
      const asked = site.questions.length;
      const begin = site.timers.now;
      while (site.questions.length === asked) site.timers.pass(10);
      times.push(site.timers.now - begin);
    }
    assert.deepEqual(times, [50, 100, 200, 500, 1000, 1000, 1000]);
    await site.question.answer(config(1));
    await first;
    assert.equal(site.timers.waiting, 1, 'the next poll');
  });

  test('is not that of the cluster where one of a bucket is wanted', async () => {
    const site = new Site();
    const first = site.monitor.first(2000);
    await site.question.answer(config(9, { name: undefined, nodes: undefined, vBucketServerMap: undefined }));
    assert.equal(site.configurations.isComplete, false);
    site.timers.pass(50);
    assert.equal(site.questions.length, 2);
    assert.equal(site.question.known, undefined);
    await site.question.answer(config(1));
    assert.equal((await first).map.bucket?.name, 'orders');
    assert.deepEqual(site.published, [9n, 1n]);
  });

  test('is not that of a bucket that is being created', async () => {
    const site = new Site();
    const first = site.monitor.first(2000);
    await site.question.answer(config(9, { 'vBucketServerMap.vBucketMap': [] }));
    assert.deepEqual([site.configurations.isComplete, site.published], [false, []]);
    site.timers.pass(50);
    await site.question.answer(config(10));
    await first;
    for (const without of [{ 'vBucketServerMap.vBucketMap': [] }, { vBucketServerMap: undefined }])
      assert.equal(site.monitor.pushed(config(11, without), A), false);
    assert.deepEqual(site.published, [10n]);
  });

  test('is that of the cluster where no bucket is wanted', async () => {
    const site = new Site({ bucket: undefined });
    const first = site.monitor.first(2000);
    await site.question.answer(config(9, { name: undefined, nodes: undefined, vBucketServerMap: undefined }));
    assert.equal((await first).map.bucket, undefined);
  });

  test('rejects when nobody has it within the time, and says why', async () => {
    const site = new Site({ seeds: [A, B] });
    const first = site.monitor.first(2000);
    await site.questions[0]?.fail(new ConnectionError('nobody listens'));
    await site.questions[1]?.answer('{');
    site.timers.pass(2000);
    await assert.rejects(
      first,
      (error) =>
        error instanceof ConnectionError &&
        error.message.includes('nobody listens') &&
        (error.cause as AggregateError).errors.length === 2,
    );
    assert.equal(site.timers.waiting, 0);
    await site.question.answer(config(1));
    assert.deepEqual(site.published, []);
  });

  test('rejects at once when no seed can ever have it', async () => {
    for (const refusal of [new AuthenticationError('no'), new UnsupportedError('no')]) {
      const site = new Site({ seeds: [A, B] });
      const rejected = assert.rejects(site.monitor.first(2000), (error) => error === refusal);
      await site.questions[0]?.fail(refusal);
      assert.equal(site.timers.waiting, 1);
      await site.questions[1]?.fail(refusal);
      await rejected;
      assert.equal(site.timers.waiting, 0);
    }
    const site = new Site({ network: 'vpn' });
    const withoutNetwork = assert.rejects(site.monitor.first(2000), InvalidArgumentError);
    await site.question.answer(config(1));
    await withoutNetwork;
    const ketama = new Site();
    const withoutPartitions = assert.rejects(ketama.monitor.first(2000), UnsupportedError);
    await ketama.question.answer(config(1, { nodeLocator: 'ketama' }));
    await withoutPartitions;
  });

  test('is waited for in vain when the database is closed', async () => {
    const site = new Site();
    const first = site.monitor.first(Number.POSITIVE_INFINITY);
    site.monitor.close();
    await assert.rejects(first, ClosedError);
    await assert.rejects(site.monitor.first(1), ClosedError);
    await site.question.answer(config(1));
    assert.equal(site.timers.waiting, 0);
    assert.equal(site.questions.length, 1);
  });
});

describe('a configuration that holds', () => {
  test('is asked for every 2.5 s, of one server after the other, by its revision', async () => {
    const site = await Site.connected();
    for (let poll = 0; poll < 4; poll += 1) {
      site.timers.pass(2500);
      assert.equal(site.questions.length, poll + 1);
      assert.deepEqual(site.question.known, { epoch: 1n, rev: 1n });
      await site.question.answer(undefined);
    }
    assert.deepEqual(new Set(site.asked.slice(0, 2)), new Set([A.host, B.host]));
    assert.deepEqual(site.asked.slice(0, 2), site.asked.slice(2));
    assert.deepEqual(site.published, [1n]);
  });

  test('is not asked for while each server tells by itself, and is when one does not', async () => {
    const site = await Site.connected();
    site.monitor.setPushing(A, true);
    site.monitor.setPushing(B, true);
    site.timers.pass(10_000);
    assert.deepEqual(site.asked, []);
    site.monitor.setPushing(B, false);
    site.timers.pass(2500);
    assert.equal(site.asked.length, 1);
    await site.question.answer(undefined);
    site.monitor.setPushing(B, true);
    // Another server in the place of B has not told anything yet.
    site.monitor.pushed(
      config(2, {
        'nodesExt.1.hostname': '10.0.0.99',
        nodes: [{}, {}],
        'vBucketServerMap.serverList': ['$HOST:11210', '10.0.0.99:11210'],
      }),
      A,
    );
    site.timers.pass(2500);
    assert.equal(site.asked.length, 2);
  });

  test('is never asked for by itself where that is what the user wants', async () => {
    const site = await Site.connected({ pollInterval: Number.POSITIVE_INFINITY });
    assert.equal(site.timers.waiting, 0);
  });

  test('gives way to a newer one, be it told, asked for or in the answer of a server that was the wrong one', async () => {
    const site = await Site.connected();
    assert.equal(site.monitor.pushed(config(2), A), true);
    assert.equal(site.monitor.notMyPartition(0, config(3), B), true);
    site.timers.pass(2500);
    await site.question.answer(config(4));
    assert.deepEqual(site.published, [1n, 2n, 3n, 4n]);
    assert.equal(site.questions.length, 1);
  });

  test('stays where what is told is older, the same, of another bucket or not understood', async () => {
    const site = await Site.connected();
    site.monitor.pushed(config(5), A);
    const others = [
      config(5),
      config(4),
      config(99, { revEpoch: 0 }),
      config(99, { revEpoch: undefined }),
      config(99, { name: 'other' }),
      config(99, { name: undefined, nodes: undefined, vBucketServerMap: undefined }),
      config(99, { 'vBucketServerMap.vBucketMap.0': [7, 0] }),
      config(99, { 'nodesExt.1.hostname': '$HOST' }),
      '{',
      '',
      ' '.repeat(11 << 20),
    ];
    for (const other of [...others, ...others]) assert.equal(site.monitor.pushed(other, A), false);
    assert.deepEqual(site.published, [1n, 5n]);
    assert.ok(site.monitor.fault instanceof ConnectionError);
  });

  test('stays in its network, whatever addresses there are later', async () => {
    const seed: HostPort = { host: 'db2.example.net', port: 31210 };
    const site = new Site({ seeds: [seed] });
    const first = site.monitor.first(2000);
    await site.question.answer(config(1));
    assert.equal((await first).network, 'external');
    const gone = { 'nodesExt.0.alternateAddresses': undefined, 'nodesExt.1.alternateAddresses': undefined };
    site.monitor.pushed(config(2, gone), seed);
    assert.equal(site.configurations.current?.network, 'external');
    site.monitor.pushed(config(3), seed);
    assert.deepEqual(site.configurations.current?.servers[1], seed);
  });
});

describe('a question', () => {
  test('is asked at once when something fails, and then not more often than every 50 ms', async () => {
    const site = await Site.connected();
    for (let failure = 0; failure < 1000; failure += 1) site.monitor.refresh();
    assert.equal(site.questions.length, 1);
    await site.question.answer(undefined);
    site.monitor.refresh();
    assert.equal(site.questions.length, 1);
    site.timers.pass(49);
    assert.equal(site.questions.length, 1);
    site.timers.pass(1);
    assert.equal(site.questions.length, 2);
    await site.question.answer(undefined);
    site.timers.pass(500);
    assert.equal(site.questions.length, 2, 'nobody wants to know any more');
  });

  test('that is not answered goes to the next server, with pauses that grow, and at last to the seeds', async () => {
    const seed = address('seed');
    const site = new Site({ seeds: [seed], pollInterval: Number.POSITIVE_INFINITY });
    const first = site.monitor.first(2000);
    await site.question.answer(config(1));
    await first;
    site.questions.length = 0;
    site.monitor.refresh();
    await site.question.fail();
    site.timers.pass(50);
    assert.equal(site.questions.length, 2);
    site.timers.pass(250); // which says nothing for now
    site.timers.pass(100);
    assert.deepEqual(new Set(site.asked), new Set([A.host, B.host, 'seed']));
    assert.equal(site.asked[2], 'seed');
    await site.question.fail();
    site.timers.pass(10_000);
    assert.equal(site.questions.length, 3, 'until something fails again');
    site.monitor.refresh();
    assert.equal(site.questions.length, 4);
  });

  test('whose answer comes late may bring news, and spares the others that would be asked next', async () => {
    const site = await Site.connected({ pollInterval: Number.POSITIVE_INFINITY });
    site.monitor.refresh();
    const { question } = site;
    site.timers.pass(250);
    await question.answer(config(8));
    assert.deepEqual(site.published, [1n, 8n]);
    site.timers.pass(10_000);
    assert.equal(site.questions.length, 1);
  });

  test('that a dead server does not answer holds nobody up: another one is asked after 300 ms', async () => {
    const site = await Site.connected();
    site.monitor.refresh();
    site.timers.pass(299);
    assert.equal(site.questions.length, 1);
    site.timers.pass(1);
    assert.equal(site.questions.length, 2);
    await site.question.answer(config(8));
    assert.deepEqual(site.published, [1n, 8n]);
  });

  test('goes to who has told of a newer revision, and only then', async () => {
    const site = await Site.connected();
    site.monitor.announced({ epoch: 1n, rev: 1n }, B);
    site.monitor.announced({ epoch: 0n, rev: 9n }, B);
    assert.deepEqual(site.asked, []);
    for (const origin of [B, A]) {
      site.monitor.announced({ epoch: 1n, rev: 2n }, origin);
      assert.equal(site.question.server, origin.host);
      await site.question.answer(undefined);
      site.timers.pass(50);
    }
  });

  test('goes to who has told of a newer revision also when another server is just being asked', async () => {
    const site = await Site.connected();
    site.monitor.refresh();
    const other = site.question.server === A.host ? B : A;
    site.monitor.announced({ epoch: 1n, rev: 2n }, other);
    await site.question.answer(undefined);
    site.timers.pass(50);
    assert.equal(site.question.server, other.host);
    await site.question.answer(config(2));
    assert.deepEqual(site.published, [1n, 2n]);
    site.timers.pass(100);
    assert.equal(site.questions.length, 2);
  });

  test('goes once more to who has told of newer revisions, when that has been a while ago', async () => {
    const site = await Site.connected();
    site.monitor.announced({ epoch: 1n, rev: 2n }, B);
    await site.question.answer(config(2));
    for (let i = 0; i < 5; i += 1) {
      site.timers.pass(150);
      site.monitor.announced({ epoch: 1n, rev: 2n }, B);
    }
    assert.equal(site.questions.length, 1);
    site.timers.pass(200);
    assert.deepEqual([site.questions.length, site.question.server], [2, B.host]);
    await site.question.answer(config(3));
    assert.deepEqual(site.published, [1n, 2n, 3n]);
    site.timers.pass(1000);
    assert.equal(site.questions.length, 2);
    site.monitor.announced({ epoch: 1n, rev: 3n }, B);
    site.monitor.close();
    assert.equal(site.timers.waiting, 0);
  });

  test('goes to who has told of a newer revision also when the one before is not answered', async () => {
    const site = await Site.connected({ seeds: [A, address('10.0.0.6')] });
    site.monitor.refresh();
    const { server } = site.question;
    const other = server === A.host ? B : A;
    site.monitor.announced({ epoch: 1n, rev: 2n }, address('10.0.0.6'));
    site.monitor.announced({ epoch: 1n, rev: 2n }, other);
    site.monitor.announced({ epoch: 1n, rev: 2n }, address('10.0.0.6'));
    await site.question.fail();
    site.timers.pass(50);
    assert.equal(site.question.server, '10.0.0.6');
  });

  test('is asked by nobody after the end, and an answer changes nothing', async () => {
    const site = await Site.connected();
    site.monitor.refresh();
    site.monitor.close();
    await site.question.answer(config(9));
    site.monitor.refresh();
    site.monitor.pushed(config(10), A);
    site.monitor.notMyPartition(0, undefined, A);
    assert.equal(site.timers.waiting, 0);
    assert.equal(site.questions.length, 1);
    assert.deepEqual(site.published, [1n]);
  });

  test('that throws is one that is not answered', async () => {
    const configurations = new Configurations({ bucket: 'orders', network: 'auto', isEncrypted: false });
    const timers = new ManualTimers();
    const ask = (): never => {
      throw new TypeError('a bug');
    };
    const monitor = new ConfigMonitor(configurations, ask, timers, {
      seeds: [A],
      pollInterval: 2500,
      timeout: 100,
    });
    const first = monitor.first(100);
    await turn();
    timers.pass(100);
    await assert.rejects(first, /a bug/);
  });
});

describe('a server that does not have a partition any more', () => {
  const activeOf = (site: Site, partition: number): number | undefined =>
    site.configurations.current?.map.bucket?.partitions?.serverOf(partition);

  test('has it where the rebalance that is under way brings it, until a newer configuration says more', async () => {
    const site = await Site.connected();
    assert.equal(activeOf(site, 0), 0);
    assert.equal(site.monitor.notMyPartition(0, undefined, A), true);
    assert.equal(activeOf(site, 0), 1);
    assert.equal(activeOf(site, 2), 0, 'no other one has moved');
    assert.equal(site.questions.length, 1, 'and a newer configuration is asked for');
    assert.equal(site.monitor.notMyPartition(0, undefined, B), false, 'it is on its way');
    assert.equal(site.monitor.notMyPartition(0, undefined, A), false, 'the one before is not asked any more');
    assert.deepEqual(site.published, [1n, 1n]);
    await site.question.answer(config(2));
    assert.equal(activeOf(site, 0), 0);
  });

  test('keeps it for this client where no rebalance is under way, or the partition stays', async () => {
    const site = await Site.connected();
    assert.equal(site.monitor.notMyPartition(1, undefined, B), false);
    assert.equal(site.monitor.notMyPartition(3, undefined, A), false, 'it has no active copy');
    assert.equal(site.monitor.notMyPartition(99, undefined, A), false);
    site.monitor.pushed(config(2, { 'vBucketServerMap.vBucketMapForward': undefined }), A);
    assert.equal(site.monitor.notMyPartition(0, undefined, A), false);
    assert.deepEqual(site.published, [1n, 2n]);
  });
});

describe('servers that send each other in a circle', () => {
  test('cost one question every 50 ms and one move of a partition, however many operations they send', async () => {
    const site = await Site.connected({ pollInterval: Number.POSITIVE_INFINITY });
    site.monitor.pushed(config(5), A);
    let moves = 0;
    for (let ms = 0; ms < 1000; ms += 10) {
      for (let each = 0; each < 20; each += 1)
        for (const [document, origin] of [
          [config(4), A],
          [config(3), B],
          [undefined, A],
          [new Uint8Array(0), B],
        ] as const)
          if (site.monitor.notMyPartition(0, document, origin)) moves += 1;
      if (site.questions.length > 0) await site.question.answer(undefined);
      site.timers.pass(10);
    }
    assert.equal(moves, 1);
    assert.deepEqual(site.published, [1n, 5n, 5n]);
    assert.ok(site.questions.length <= 1000 / 50 + 1, `${site.questions.length} questions`);
  });
});

test('in whatever order servers tell what, each configuration that is published is newer than the one before', async () => {
  const revisions = fc.array(fc.tuple(fc.nat(3), fc.nat(9), fc.boolean()), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(revisions, async (all) => {
      const site = new Site();
      const states: Revision[] = [];
      site.configurations.listen(({ map }) => states.push(map.revision));
      let newest: Revision | undefined;
      for (const [revEpoch, rev, isNmvb] of all) {
        const document = config(rev, { revEpoch });
        const revision = { epoch: BigInt(revEpoch), rev: BigInt(rev) };
        const isNew = isNmvb ? site.monitor.notMyPartition(3, document, A) : site.monitor.pushed(document, B);
        assert.equal(isNew, newest === undefined || compareRevisions(revision, newest) > 0);
        if (isNew) newest = revision;
        site.timers.pass(7);
      }
      assert.deepEqual(site.configurations.current?.map.revision, newest);
      for (const [at, revision] of states.entries()) {
        const before = states[at - 1];
        assert.ok(before === undefined || compareRevisions(revision, before) > 0);
      }
      site.monitor.close();
      assert.equal(site.timers.waiting, 0);
    }),
  );
});
