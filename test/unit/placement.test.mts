import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyHashes } from '../../lib/cluster/placement/key-hash.ts';
import {
  type PlacedServer,
  type Placement,
  type PlacementName,
  placeKeys,
  serverOf,
} from '../../lib/cluster/placement/placement.ts';
import * as shares from '../../lib/cluster/placement/shares.ts';

const NAMES = ['cache-a.example', 'cache-b.example', 'cache-c.example'];
const three: readonly PlacedServer[] = NAMES.map((host) => ({ host, port: 11211 }));
const weighted = three.map((server, index) => ({ ...server, weight: index === 1 ? 2 : 1 }));
const spy = NAMES.map((host) => ({ host, port: 11211, label: `/${host}:11211` }));

const placements: Readonly<Record<string, Placement>> = {
  libketama: placeKeys('libketama', three),
  ketama: placeKeys('ketama', three),
  spy: placeKeys('spymemcached', spy),
  'ketama, weights 1, 2, 1': placeKeys('ketama', weighted),
  modula: placeKeys('modula', three),
  memjs: placeKeys('memjs', three),
};

// The letters are the servers under libketama, ketama, spy and the weighted ketama; under modula and memjs.
const vectors: readonly [key: string, md5: number, oneAtATime: number, rings: string, modulos: string][] = [
  ['foo', 0xdb18bdac, 0x238678dd, 'AABA', 'AA'],
  ['bar', 0x191db537, 0x80409109, 'CCCC', 'BA'],
  ['Hello', 0x53991a8b, 0x715ce7ec, 'AAAA', 'AC'],
  ['hello', 0x2a40415d, 0xc8fd181b, 'CABA', 'AB'],
  ['counter', 0x3bb76b88, 0x19b39fbd, 'BACA', 'AA'],
  ['mykey', 0xb3e0db9a, 0x6f3ddc50, 'ABBB', 'BB'],
  ['key_0', 0xcccb539a, 0xc8a8230e, 'CCCB', 'AB'],
  ['key_1', 0x6bf7c0bc, 0xd7d5c169, 'AAAA', 'AC'],
  ['key_2', 0x246afd24, 0xea1b65f4, 'CABA', 'AA'],
  ['key_19', 0x22211a8d, 0x95f982e4, 'BBAB', 'AC'],
  ['user:1001', 0xe4d46b12, 0xa3ac13e0, 'CABA', 'CC'],
  ['user:1002', 0x354b99e8, 0x25799779, 'AAAA', 'BA'],
  ['airline_10', 0x8c455f64, 0xdac21041, 'CACA', 'BB'],
  ['airport_1254', 0x8c323d4d, 0xe8ab57f8, 'ACAC', 'AB'],
  ['session::9f8e7d', 0x9e8ddc05, 0x6a005a0b, 'ABBB', 'AC'],
  ['a', 0xb975c10c, 0xca2e9442, 'CBCB', 'AB'],
  ['', 0xd98c1dd4, 0x00000000, 'ABAB', 'AA'],
  ['0', 0x8420cdcf, 0x6e3c5c6b, 'BCBA', 'AA'],
  ['été', 0x1e6aafde, 0x7fcb4b35, 'BCAB', 'CA'],
  ['x'.repeat(250), 0x4b51c179, 0x0316a9fe, 'CABB', 'BC'],
];

const letterOf = (placement: Placement | undefined, key: string): string =>
  placement === undefined ? '?' : ('ABC'[serverOf(placement, key)] ?? '?');

test('the keys of the published vectors have their hashes and their servers', () => {
  const { libketama, ketama, spy, modula, memjs, ...others } = placements;
  const rings = [libketama, ketama, spy, ...Object.values(others)];
  for (const [key, md5, oneAtATime, ...letters] of vectors) {
    assert.equal(keyHashes.md5(key), md5, key);
    assert.equal(keyHashes['one-at-a-time'](key), oneAtATime, key);
    const found = [rings, [modula, memjs]].map((some) => some.map((each) => letterOf(each, key)).join(''));
    assert.deepEqual(found, letters, key);
  }
});

const ringOf = (name: PlacementName, servers: readonly PlacedServer[]) => {
  const placement = placeKeys(name, servers);
  assert.ok(placement.kind === 'ring');
  return placement;
};

test('rings begin and end with the points of the clients they are taken from', () => {
  const ends: [name: PlacementName, servers: readonly PlacedServer[], points: string][] = [
    ['libketama', three, '00318245:B 0080a5fa:C 00976722:B … ff49e6b2:C'],
    ['ketama', three, '007cb0ae:C 00b2a7f2:C 013f8ffb:B … fedeba5e:B'],
    ['npm-memcached', three, '007cb0ae:C 00b2a7f2:C 013f8ffb:B … fedeba5e:B'],
    ['spymemcached', spy, '00006f8b:C 0062d709:C 00ac2c76:A … ffd8378d:C'],
  ];
  for (const [name, servers, expected] of ends) {
    const { points, owners } = ringOf(name, servers);
    assert.equal(points.length, 480);
    const shown = [0, 1, 2, 479].map(
      (index) => `${points[index]?.toString(16).padStart(8, '0')}:${'ABC'[owners[index] ?? 3]}`,
    );
    assert.equal(shown.toSpliced(3, 0, '…').join(' '), expected, name);
  }
  const { points, owners } = ringOf('ketama', weighted);
  assert.deepEqual([points.at(-1), owners.at(-1)], [0xff9b9406, 1]);
  assert.deepEqual(
    [0, 1, 2].map((server) => owners.filter((owner) => owner === server).length),
    [120, 240, 120],
  );
});

/** So many servers of the same weight. */
const fleet = (size: number): PlacedServer[] =>
  Array.from({ length: size }, (_, index) => ({ host: `n${index + 1}`, port: 11211 }));

test('fleets of the same weight lack labels where the client they are taken from rounds them away', () => {
  const lacking = (labelsOf: shares.Shares): number[] =>
    Array.from({ length: 200 }, (_, index) => index + 1).filter((size) =>
      labelsOf(Array.from({ length: size }, () => undefined)).some((labels) => labels < 40),
    );
  assert.deepEqual(
    lacking(shares.libmemcached),
    [25, 47, 50, 55, 61, 71, 94, 100, 107, 109, 110, 115, 122, 142, 159, 163, 188, 193, 200],
  );
  assert.deepEqual(lacking(shares.hashring), [7, 14, 28, 49, 56, 98, 103, 112, 141, 147, 161, 196]);
  assert.deepEqual(lacking(shares.libketama), []);
});

test('on seven servers the npm package memcached disagrees with libmemcached on one key in forty', () => {
  const full = placeKeys('ketama', fleet(7));
  const lacking = placeKeys('npm-memcached', fleet(7));
  const moved = Array.from({ length: 20_000 }, (_, index) => `k${index}`)
    .map((key) => ({ key, from: serverOf(full, key) + 1, to: serverOf(lacking, key) + 1 }))
    .filter(({ from, to }) => from !== to);
  assert.equal(moved.length, 492);
  assert.deepEqual(
    moved.slice(0, 11).map(({ key, from, to }) => `${key} n${from} n${to}`),
    [
      'k6 n6 n3',
      'k22 n4 n2',
      'k334 n4 n2',
      'k378 n3 n6',
      'k436 n1 n5',
      'k509 n4 n3',
      'k526 n1 n5',
      'k552 n6 n3',
      'k553 n1 n5',
      'k560 n7 n4',
      'k609 n2 n1',
    ],
  );
});

test('weights are rounded as each client rounds them', () => {
  const labelsOf = (name: PlacementName, weights: readonly (number | undefined)[]): number[] => {
    const { owners } = ringOf(
      name,
      weights.map((weight, index) => ({ host: '10.0.0.1', port: index + 1, weight })),
    );
    return weights.map((_, server) => owners.filter((owner) => owner === server).length / 4);
  };
  for (const name of ['ketama', 'npm-memcached', 'libketama', 'spymemcached'] as const) {
    assert.deepEqual(labelsOf(name, [1, 2, 1]), [30, 60, 30], name);
    assert.deepEqual(labelsOf(name, [undefined, 2, undefined]), [30, 60, 30], name);
    assert.deepEqual(labelsOf(name, [1, 1000]), [0, 79], name);
    assert.deepEqual(labelsOf(name, [2 ** 32 - 1, 2 ** 32 - 1]), [40, 40], name);
  }
  const equal = (weight: number | undefined, size: number) => Array.from({ length: size }, () => weight);
  const first = (name: PlacementName, weight: number | undefined, size: number) =>
    labelsOf(name, equal(weight, size))[0];
  assert.deepEqual([first('spymemcached', undefined, 25), first('spymemcached', 5, 25)], [40, 39]);
  assert.deepEqual([first('libketama', undefined, 61), first('libketama', 5, 61)], [40, 39]);
});

test('a server is called on the ring what each client calls it', () => {
  const same = (name: PlacementName, server: PlacedServer, label: string): void => {
    const other: PlacedServer = { host: '10.9.9.9', port: 1 };
    assert.deepEqual(placeKeys(name, [server, other]), placeKeys(name, [{ ...server, label }, other]), label);
  };
  const rings = ['ketama', 'ketama-unweighted', 'npm-memcached'] as const;
  for (const name of rings) same(name, { host: 'h', port: 11211 }, 'h');
  for (const name of [...rings, 'libketama'] as const) same(name, { host: 'h', port: 11212 }, 'h:11212');
  same('libketama', { host: 'h', port: 11211 }, 'h:11211');
  same('spymemcached', { host: '10.0.0.1', port: 11211 }, '10.0.0.1:11211');
  same('ketama', { host: '::1', port: 11212 }, '::1:11212');
  same('libketama', { host: '::1', port: 11212 }, '[::1]:11212');
  same('ketama', { path: '/run/cache' }, '/run/cache:0');
  same('npm-memcached', { path: '/run/cache' }, '/run/cache');
});

test('of equal points the server that comes first owns the keys', () => {
  const { points, owners } = ringOf('ketama', fleet(1000));
  const twice = points.findIndex((point, index) => point === points[index + 1]);
  assert.ok(twice >= 0, 'there are equal points among 160,000');
  assert.ok((owners[twice] ?? 0) <= (owners[twice + 1] ?? 0));
});
