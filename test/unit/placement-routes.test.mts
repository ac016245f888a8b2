import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { KeyHash } from '../../lib/cluster/placement/key-hash.ts';
import {
  type PlacedServer,
  type PlacementName,
  placeKeys,
  serverOf,
} from '../../lib/cluster/placement/placement.ts';

// What test/native/topology_test.cc compares native routes with. `EVENKEEL_WRITE_ROUTES=1 npm test -- <this file>` writes it.
const file = new URL('../native/placement_routes.inc', import.meta.url);

/** The same numbers each time: mulberry32. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const random = randomOf(10);

/** Of all lengths in bytes, and characters of all lengths in UTF-8 and UTF-16. */
function keys(): string[] {
  const characters = [...'aZ0:\x7f\x80é\u07ff€\ud7ff\ue000\uffff😀\u{10ffff}'];
  const any = (most: number): string => {
    let key = '';
    while (Buffer.byteLength(key) < most) key += characters[random(characters.length)] ?? '';
    return key;
  };
  const lengths = ['', ...[1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 250].map((length) => 'k'.repeat(length))];
  return [...lengths, ...Array.from({ length: 60 }, () => any(random(40)))];
}

const servers = (size: number, heaviest = 1): PlacedServer[] =>
  Array.from({ length: size }, (_, index) => ({
    host: `10.0.${random(256)}.${index}`,
    port: 11211 + random(2),
    weight: 1 + random(heaviest),
  }));

const fleets: readonly [name: PlacementName, servers: readonly PlacedServer[]][] = [
  ['ketama', servers(3)],
  ['ketama', servers(4, 9)],
  ['npm-memcached', servers(7)],
  ['ketama-unweighted', servers(5)],
  ['modula', servers(1)],
  ['modula', servers(7)],
  ['modula', servers(1000)],
  ['memjs', servers(3)],
  ['memjs', servers(10)],
];

const NATIVE: Readonly<Record<KeyHash, string>> = {
  md5: 'KeyHash::kMd5',
  'one-at-a-time': 'KeyHash::kOneAtATime',
  java: 'KeyHash::kJava',
};

const lines = (items: readonly string[], width: number): string =>
  Array.from({ length: Math.ceil(items.length / width) }, (_, line) =>
    items.slice(line * width, (line + 1) * width).join(', '),
  ).join(',\n');

function nativeData(): string {
  const all = keys();
  const expectations = fleets.map(([name, fleet]) => {
    const placement = placeKeys(name, fleet);
    const { points, owners } =
      placement.kind === 'ring' ? placement : { points: new Uint32Array(), owners: new Uint16Array() };
    return [
      `{"${name}", ${NATIVE[placement.keyHash]}, ${fleet.length},`,
      `{${lines(Array.from(points, String), 10)}},`,
      `{${lines(Array.from(owners, String), 30)}},`,
      `{${lines(
        all.map((key) => String(serverOf(placement, key))),
        30,
      )}}},`,
    ].join('\n');
  });
  return [
    '// Where TypeScript routes keys. Made by test/unit/placement-routes.test.mts, which says how.',
    'const char* const kKeys[] = {',
    ...all.map((key) => `"${Buffer.from(key).toString('hex')}",`),
    '};',
    'const Expectation kExpectations[] = {',
    ...expectations,
    '};',
    '',
  ].join('\n');
}

test('the routes that native code is compared with are those of today', () => {
  const data = nativeData();
  if (process.env.EVENKEEL_WRITE_ROUTES) writeFileSync(file, data);
  assert.equal(readFileSync(file, 'utf8'), data);
});
