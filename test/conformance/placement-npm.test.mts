import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { PlacementName } from '../../lib/cluster/placement/placement.ts';
import { Fleet, keysOf } from './fleet.mts';
import { askProgram, skipWithout } from './tool.mts';

const script = fileURLToPath(new URL('npm-client.mjs', import.meta.url));

describe('npm clients and ours find each what the other has stored:', {
  skip: skipWithout('memcached', 'memcached'),
}, () => {
  let fleet: Fleet;
  before(async () => {
    // On a ring of seven the npm package memcached has fewer points than others.
    fleet = await Fleet.start(7);
  });
  after(() => fleet[Symbol.asyncDispose]());

  const cases: readonly [client: string, placement: PlacementName, heaviest: number][] = [
    ['memjs', 'memjs', 1],
    ['memcached', 'npm-memcached', 1],
    ['memcached', 'npm-memcached', 3],
  ];
  for (const [client, placement, heaviest] of cases) {
    test(`${client}, weights from 1 to ${heaviest}`, async () => {
      const servers = fleet.servers.map((server, index) => ({ ...server, weight: 1 + (index % heaviest) }));
      const part = `${client}:${heaviest}`;
      const [theirs, ours] = [keysOf(`theirs:${part}`), keysOf(`ours:${part}`)];
      await fleet.store(placement, ours, servers);
      const found = await askProgram(process.execPath, script, {
        client,
        servers: Object.fromEntries(servers.map(({ host, port, weight }) => [`${host}:${port}`, weight])),
        set: theirs,
        get: ours,
      });
      assert.deepEqual(found, ours);
      await fleet.assertStored(placement, theirs, servers);
    });
  }
});
