import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Database } from '../../lib/database.ts';
import { InvalidArgumentError } from '../../lib/errors.ts';
import { BOTH_PROTOCOLS, everywhere } from './harness.mts';

const GOOD: [what: string, key: string][] = [
  ['one byte', 'a'],
  ['250 bytes', 'b'.repeat(250)],
  ['125 characters of two bytes', 'ü'.repeat(125)],
  ['62 emoji and two letters', `${'😀'.repeat(62)}xy`],
  ['every printable ASCII character', String.fromCharCode(...Array.from({ length: 94 }, (_, i) => i + 33))],
  ['characters above Latin 1', '鍵:Ключ'],
];

/** What text cannot carry: the meta protocol has base64 for it. */
const UNPRINTABLE: [what: string, key: string][] = [
  ['a space', 'a b'],
  ['a line feed', 'a\n'],
  ['a carriage return', '\ra'],
  ['a tab', 'a\tb'],
  ['a zero', 'a\u0000b'],
  ['DEL', 'a\u007f'],
  ['what could be commands', 'k\r\nflush_all\r\nmd fine\r\n'],
  ['186 spaces', ' '.repeat(186)],
];

const BAD: [what: string, key: unknown][] = [
  ['the empty string', ''],
  ['251 bytes', 'c'.repeat(251)],
  ['251 bytes in 126 characters', `${'ü'.repeat(125)}a`],
  ['252 bytes in 63 emoji', '😀'.repeat(63)],
  ['a very long one', 'd'.repeat(1_000_000)],
  ['a lone high surrogate', 'a\ud800'],
  ['a lone low surrogate', '\udc00a'],
  ['surrogates the wrong way round', '\udc00\ud800'],
  ['undefined', undefined],
  ['null', null],
  ['a number', 1],
  ['a Buffer', Buffer.from('k')],
  ['an object', { toString: () => 'k' }],
  ['a String object', new String('k')],
  ['a symbol', Symbol('k')],
];

/** Every way to name a key. */
function callsWith(db: Database, key: string): (() => Promise<unknown>)[] {
  return [
    () => db.get(key),
    () => db.getRecord(key),
    () => db.getMany(['fine', key]),
    () => db.exists(key),
    () => db.insert(key, 'v'),
    () => db.upsert(key, 'v'),
    () => db.replace(key, 'v'),
    () => db.remove(key),
    () => db.touch(key, { ttl: 1 }),
    () => db.getAndTouch(key, { ttl: 1 }),
    () => db.increment(key),
    () => db.decrement(key),
    () => db.append(key, 'v'),
    () => db.prepend(key, 'v'),
  ];
}

everywhere(
  'keys',
  (site) => {
    const isMeta = site.protocol === 'meta';
    for (const [what, key] of isMeta ? [...GOOD, ...UNPRINTABLE] : GOOD) {
      test(`a key of ${what} is stored and found`, async () => {
        await using db = await site.open();
        await db.upsert(key, what);
        assert.equal(await db.get(key), what);
        assert.deepEqual(await db.getMany([key]), new Map([[key, what]]));
        assert.equal(await db.remove(key), true);
      });
    }

    for (const [what, key] of [
      ...BAD,
      ['187 spaces', ' '.repeat(187)] as const,
      ...(isMeta ? [] : UNPRINTABLE),
    ]) {
      test(`${what} as a key is refused by every call, naming it`, async () => {
        await using db = await site.open();
        for (const call of callsWith(db, key as string)) {
          assert.throws(
            call,
            (error) => error instanceof InvalidArgumentError && error.context.argument === 'key',
          );
        }
        assert.equal(await db.exists('fine'), false);
      });
    }

    test('a record has one key, whichever protocol names it', async () => {
      await using db = await site.open();
      const raw = await site.raw();
      for (const [what, key] of isMeta ? UNPRINTABLE : GOOD) {
        await db.upsert(key, what);
        const { value } = await raw.ask({ opcode: 0x00, key });
        assert.equal(value.toString(), what);
      }
    });

    test('keys that differ in their last byte, case or normal form are different records', async () => {
      await using db = await site.open();
      const keys = ['x'.repeat(249), `${'x'.repeat(249)}a`, `${'x'.repeat(249)}b`, 'K', 'k', 'é', 'e\u0301'];
      await Promise.all(keys.map((key, i) => db.upsert(key, i)));
      assert.deepEqual(
        [...(await db.getMany(keys)).values()],
        keys.map((_, i) => i),
      );
    });
  },
  BOTH_PROTOCOLS,
);
