import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { afterEach, mock, test } from 'node:test';
import {
  checkPlacementName,
  type PlacedServer,
  type PlacementName,
  placeKeys,
  serverOf,
} from '../../lib/cluster/placement/placement.ts';
import { InvalidArgumentError, UnsupportedError } from '../../lib/errors.ts';

const NAMES = [
  'ketama',
  'ketama-unweighted',
  'libketama',
  'npm-memcached',
  'spymemcached',
  'memjs',
  'modula',
] as const;
const two: readonly PlacedServer[] = [
  { host: '10.0.0.1', port: 11211 },
  { host: '10.0.0.2', port: 11211 },
];

afterEach(() => mock.restoreAll());

function refuses(name: PlacementName, servers: readonly PlacedServer[], words: RegExp): void {
  assert.throws(
    () => placeKeys(name, servers),
    (error) =>
      error instanceof InvalidArgumentError &&
      error.context.argument === 'servers' &&
      words.test(error.message),
  );
}

test('the name of a placement is one of those there are', () => {
  for (const name of NAMES) assert.equal(checkPlacementName(name), name);
  for (const name of ['Ketama', 'toString', '', null, 1, ['ketama']])
    assert.throws(
      () => checkPlacementName(name),
      (error) =>
        error instanceof InvalidArgumentError &&
        error.context.argument === 'placement' &&
        error.message.includes('npm-memcached'),
    );
});

test('no servers, and more than a ring is made of, are refused', () => {
  for (const name of NAMES) {
    refuses(name, [], /from 1 to 1024, not 0/);
    refuses(
      name,
      Array.from({ length: 1025 }, (_, port) => ({ host: 'h', port })),
      /not 1025/,
    );
  }
});

test('a weight is a whole number from 1, and 1 where the placement knows none', () => {
  const weighted = (weight: unknown) => [{ ...two[0], weight } as PlacedServer, ...two.slice(1)];
  for (const weight of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, '2', null, 2n])
    for (const name of NAMES) refuses(name, weighted(weight), /weight/);
  for (const name of ['ketama-unweighted', 'memjs', 'modula'] as const) {
    refuses(name, weighted(2), /knows no weights/);
    assert.deepEqual(placeKeys(name, weighted(1)), placeKeys(name, two));
  }
});

test('labels are well-formed text that no two servers share', () => {
  const labelled = (...labels: unknown[]) =>
    labels.map((label, port) => ({ host: '10.0.0.1', port, label }) as PlacedServer);
  for (const label of ['', '\ud800', 1, null, {}]) refuses('ketama', labelled('a', label), /label/);
  refuses('ketama', labelled('a', 'a'), /two of them would be "a"/);
  refuses('ketama', [{ host: 'a', port: 11211 }, ...labelled('a')], /two of them/);
});

test("spymemcached's names need a label, as they are hashed with their addresses", () => {
  for (const server of [{ host: 'cache.example', port: 1 }, { host: '::1', port: 1 }, { path: '/run/s' }])
    refuses('spymemcached', [...two, server], /name\/address:port/);
  assert.equal(placeKeys('spymemcached', two).kind, 'ring');
});

test('one server has every key, and nothing to be hashed for it', () => {
  for (const name of NAMES) {
    const placement = placeKeys(name, [{ host: 'cache.example', port: 1 }]);
    assert.equal(placement.kind, 'modulo');
    assert.equal(serverOf(placement, 'k'), 0);
  }
});

test('where the process may not use MD5, rings of it are unsupported and the others are not', () => {
  const refusal = Object.assign(new Error('unsupported'), { code: 'ERR_OSSL_EVP_UNSUPPORTED' });
  mock.method(crypto, 'createHash', () => {
    throw refusal;
  });
  for (const name of ['ketama', 'libketama', 'npm-memcached', 'spymemcached'] as const)
    assert.throws(
      () => placeKeys(name, two),
      (error) =>
        error instanceof UnsupportedError &&
        error.cause === refusal &&
        error.context.argument === 'placement' &&
        error.message.includes('modula'),
    );
  for (const name of ['ketama-unweighted', 'memjs', 'modula'] as const)
    assert.ok(serverOf(placeKeys(name, two), 'k') < 2);
});
