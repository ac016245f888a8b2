import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  type PlacedServer,
  type PlacementName,
  placeKeys,
  serverOf,
} from '../../lib/cluster/placement/placement.ts';
import { Fleet, keysOf } from './fleet.mts';
import { askProgram, skipWithout } from './tool.mts';

const script = fileURLToPath(new URL('libmemcached.py', import.meta.url));

interface Job {
  readonly setup: 'modula' | 'ketama' | 'ketama_weighted' | 'ketama_spy';
  readonly servers: readonly PlacedServer[];
  readonly do: 'place' | 'set' | 'get';
  readonly keys: readonly string[];
}

/** The answers to all jobs: of 'place' the index of each key's server, of 'set' the errors, of 'get' the values by key. */
function libmemcached(...jobs: readonly Job[]): Promise<unknown[]> {
  const parts = ({ weight = 1, ...server }: PlacedServer) =>
    'path' in server ? [server.path, 0, weight] : [server.host, server.port, weight];
  return askProgram(
    'python3',
    script,
    jobs.map((job) => ({ ...job, servers: job.servers.map(parts) })),
  ) as Promise<unknown[]>;
}

function without(): string | false {
  const tools = skipWithout('memcached', 'memcached') || skipWithout('python3', 'python3');
  if (tools || process.env.CI) return tools;
  const loaded =
    spawnSync('python3', ['-c', 'import ctypes; ctypes.CDLL("libmemcached.so.11")']).status === 0;
  return loaded ? false : 'libmemcached is not installed (Debian package libmemcached-tools)';
}

const pairs: readonly [name: PlacementName, setup: Job['setup']][] = [
  ['ketama', 'ketama_weighted'],
  ['ketama-unweighted', 'ketama'],
  ['modula', 'modula'],
];

describe('libmemcached and ours', { skip: without() }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.start(3);
  });
  after(() => fleet[Symbol.asyncDispose]());

  const cases = [
    ...pairs.map((pair) => [...pair, [1, 1, 1]] as const),
    ['ketama', 'ketama_weighted', [1, 2, 1]] as const,
  ];
  for (const [name, setup, weights] of cases) {
    test(`find each what the other has stored: ${name}, weights ${weights.join(', ')}`, async () => {
      const servers = fleet.servers.map((server, index) => ({ ...server, weight: weights[index] }));
      const part = `${name}:${weights.join('')}`;
      const [theirs, ours] = [keysOf(`theirs:${part}`), keysOf(`ours:${part}`)];
      await fleet.store(name, ours, servers);
      const [errors, found] = await libmemcached(
        { setup, servers, do: 'set', keys: theirs },
        { setup, servers, do: 'get', keys: ours },
      );
      assert.deepEqual(errors, []);
      await fleet.assertStored(name, theirs, servers);
      assert.deepEqual(found, Object.fromEntries(ours.map((key) => [key, key])));
    });
  }

  test('place keys on the same servers in fleets of all sizes, weights and names', async () => {
    const keys = [...keysOf('k', 1000), 'é', '€uro', '😀', 'k'.repeat(250)];
    const hosts = (size: number, change: (index: number) => object = () => ({})): PlacedServer[] =>
      Array.from({ length: size }, (_, index) => ({
        host: `10.0.0.${index}`,
        port: 11211,
        ...change(index),
      }));
    const fleets = [
      ...[2, 7, 25, 47, 100].map((size) => hosts(size)),
      hosts(5, (index) => ({ port: 11211 + (index % 2) })),
      [...hosts(2), { host: '::1', port: 11211 }, { host: '::1', port: 11212 }, { path: '/run/cache' }],
    ];
    const heavy = hosts(9, (index) => ({ weight: 1 + index ** 5 }));
    const asked: (readonly [name: PlacementName, setup: Job['setup'], servers: readonly PlacedServer[]])[] = [
      ...pairs.flatMap(([name, setup]) => fleets.map((servers) => [name, setup, servers] as const)),
      ['ketama', 'ketama_weighted', heavy],
      ['spymemcached', 'ketama_spy', hosts(3, (index) => ({ label: `/10.0.0.${index}:11211` }))],
    ];
    const theirs = await libmemcached(
      ...asked.map(([, setup, servers]) => ({ setup, servers, do: 'place', keys }) as const),
    );
    const ours = asked.map(([name, , servers]) => {
      const placement = placeKeys(name, servers);
      return keys.map((key) => serverOf(placement, key));
    });
    for (const [index, [name, , servers]] of asked.entries())
      assert.deepEqual(ours[index], theirs[index], `${name}, ${servers.length} servers`);
  });
});
