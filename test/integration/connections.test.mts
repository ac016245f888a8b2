import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type FaultRule, Opcode, startServer } from '../../lib/testing/index.ts';
import { startMemcached } from '../conformance/memcached.mts';
import { skipWithout } from '../conformance/tool.mts';
import { long } from '../effort.mts';
import { onBothBases, until } from './harness.mts';

onBothBases('several connections to one server', (bases) => {
  // The pause would be of minutes if each of them counted.
  test('that end together are one failure', async () => {
    await using server = await startServer();
    const db = await bases.connect(server.url, {
      connectionsPerNode: 32,
      backoff: { min: 1, max: 600_000 },
    });
    for (let round = 0; round < 4; round += 1) {
      await until(async () => (await server.connections()) === 32);
      await server.disconnectAll();
    }
    await until(async () => (await server.connections()) === 32);
    await db.close();
  });

  test('carry what is for those that the server does not take, and that is told', {
    skip: skipWithout('memcached', 'memcached'),
  }, async () => {
    await using server = await startMemcached({ options: ['-c', '20'] });
    const db = await bases.connect(`memcached://127.0.0.1:${server.port}`, {
      connectionsPerNode: 32,
      backoff: { min: 1, max: 10 },
      connectTimeout: 100,
    });
    const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
    await Promise.all(keys.map((key) => db.upsert(key, key)));
    assert.deepEqual(await db.getMany(keys), new Map(keys.map((key) => [key, key])));
    const stats = () => db.stats().nodes[0];
    await until(() => (stats()?.connectErrors ?? 0) >= 3);
    assert.deepEqual([stats()?.state, stats()?.reconnects, stats()?.timeouts], ['connected', 0, 0]);
    const open = stats()?.openConnections ?? 0;
    assert.ok(open >= 1 && open < 32, String(open));
    assert.deepEqual(await db.getMany(keys), new Map(keys.map((key) => [key, key])));
    await db.close();
  });

  test('execute the operations of a key in their order, whatever becomes of the connections', async (t) => {
    const seed = Math.trunc(Math.random() * 2 ** 31);
    t.diagnostic(`seed ${seed}`);
    const random = randomFrom(seed);
    for (let round = 0; round < (long ? 30 : 2); round += 1) {
      await using server = await startServer({ record: true });
      const db = await bases.connect(server.url, {
        connectionsPerNode: 2 + random(4),
        maxInFlight: random(2) === 0 ? 8 : 1024,
        connectTimeout: 100,
        lazy: true,
        backoff: { min: 1, max: 3 },
      });
      const sets: Promise<boolean>[] = [];
      for (let burst = 0; burst < 200; burst += 1) {
        for (let key = 0; key < 12; key += 1) {
          const set = db.upsert(`key${key}`, sets.length);
          sets.push(
            set.then(
              () => true,
              () => false,
            ),
          );
        }
        if (random(5) === 0) await server.fault(anyFault(random));
        if (random(100) === 0) await server.disconnectAll({ reset: true });
        await setImmediate();
      }
      const isDone = await Promise.all(sets);
      const last = new Map<string, number>();
      for (const { opcode, key, value } of await server.commands()) {
        const number = Number(value.toString());
        // What was lost with its connection may still be executed by a server, at any time.
        if (opcode !== Opcode.set || !isDone[number]) continue;
        assert.ok(number > (last.get(key.toString()) ?? -1), `${key} of round ${round}: ${number}`);
        last.set(key.toString(), number);
      }
      await db.close();
    }
  });

  test('of which the first ones are no reconnects', async () => {
    await using server = await startServer();
    const db = await bases.connect(server.url, { connectionsPerNode: 4, backoff: { min: 1, max: 5 } });
    const stats = () => db.stats().nodes[0];
    await until(() => stats()?.openConnections === 4);
    assert.deepEqual([stats()?.connections, stats()?.reconnects, stats()?.connectErrors], [4, 0, 0]);
    await server.disconnectAll();
    await until(() => stats()?.reconnects === 4 && stats()?.openConnections === 4);
    assert.equal(stats()?.connections, 8);
    await db.close();
  });
});

/** Numbers from 0 to below `below`, always the same ones for a seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.trunc((state / 2 ** 31) * below);
  };
}

function anyFault(random: (below: number) => number): FaultRule {
  const faults: readonly FaultRule[] = [
    { opcode: 'set', nth: 1 + random(30), times: 1, action: { kind: random(2) === 0 ? 'reset' : 'close' } },
    { on: 'connect', times: 1 + random(3), action: { kind: random(2) === 0 ? 'reset' : 'silent' } },
    { opcode: 'set', times: 3, action: { kind: 'delay', ms: 5 } },
  ];
  return faults[random(faults.length)] as FaultRule;
}
