// What becomes of operations while their partitions have no server, and when these are other ones afterwards.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EventBase, TimeoutError } from '../../lib/index.ts';
import type { TestCluster } from '../../lib/testing/index.ts';
import { KEYS, started } from './couchbase-clusters.mts';

/** Tells the database that the bucket has these partitions, with a newer revision each time. */
async function teller(cluster: TestCluster) {
  const truth = JSON.parse(await cluster.configuration('default'));
  let rev = 9000;
  return async (map: readonly number[][]): Promise<void> => {
    rev += 1;
    const vBucketServerMap = { ...truth.vBucketServerMap, vBucketMap: map };
    const text = JSON.stringify({ ...truth, rev, vBucketServerMap });
    await cluster.forge({ text, revision: BigInt(rev) });
  };
}

const all = (partitions: number, server: number): number[][] =>
  Array.from({ length: partitions }, () => [server]);

/** `get` reads a key of which no server has the partition soon. */
async function untilNobodyHas(get: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await get();
    } catch (error) {
      assert.ok(error instanceof TimeoutError);
      return;
    }
  }
}

describe('while no server has its partition', () => {
  test('writes to a key wait, and are made in the order of the calls', async () => {
    await using ready = await started({ nodes: 1, replicas: 0 }, { pollInterval: 50 });
    await using base = EventBase.create();
    const tell = await teller(ready.cluster);
    for (const db of [ready.db, ready.db.via(base)]) {
      await db.upsert('k', 'before');
      await tell(all(64, -1));
      await untilNobodyHas(() => db.get('k', { timeout: 20 }));
      const writes = Array.from({ length: 50 }, (_, i) => db.upsert('k', i));
      await tell(all(64, 0));
      while (writes.length < 100) writes.push(db.upsert('k', writes.length));
      await Promise.all(writes);
      assert.equal(await db.get('k'), 99);
    }
  });

  test('and there is another number of partitions then, writes are made where their keys are', async () => {
    await using ready = await started({ nodes: 1, replicas: 0 }, { pollInterval: 50 });
    const { db, cluster } = ready;
    const tell = await teller(cluster);
    await tell(all(64, -1));
    await untilNobodyHas(() => db.get('k', { timeout: 20 }));
    const writes = KEYS.map((key) => db.upsert(key, key));
    await tell(all(32, 0));
    await Promise.all(writes);
    assert.deepEqual([...(await db.getMany(KEYS)).values()], KEYS);
  });
});
