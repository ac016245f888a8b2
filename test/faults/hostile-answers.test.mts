import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { ConnectionError, ServerError, TimeoutError } from '../../lib/errors.ts';
import { type RequestAction, startServer } from '../../lib/testing/index.ts';
import { takes } from '../loop-time.mts';
import { assertNothingLeft, counters, models, open, rejection, story, until } from './harness.mts';

after(assertNothingLeft);

const huge = 4 * 1024 ** 3 - 1;

/** Answers that end the connection, and what the error's cause must say. */
const lies: readonly { name: string; action: RequestAction; cause: RegExp }[] = [
  { name: 'garbage', action: { kind: 'garbage', seed: 7 }, cause: /does not speak the protocol/ },
  {
    name: 'a text',
    action: { kind: 'garbage', bytes: Buffer.from('ERROR\r\n'.repeat(10)) },
    cause: /does not speak the protocol/,
  },
  {
    name: 'the magic of a request',
    action: { kind: 'header', fields: { magic: 0x80 } },
    cause: /does not speak the protocol/,
  },
  { name: 'another opcode', action: { kind: 'header', fields: { opcode: 0x0a } }, cause: /another request/ },
  { name: 'an unknown opaque', action: { kind: 'wrongOpaque' }, cause: /not made/ },
  { name: 'an opaque nobody ever had', action: { kind: 'wrongOpaque', opaque: 0 }, cause: /not made/ },
  {
    name: "the handshake's opaque",
    action: { kind: 'wrongOpaque', opaque: 0xffffffff },
    cause: /another request|not made/,
  },
  {
    name: 'a key longer than the body',
    action: { kind: 'header', fields: { keyLength: 60_000 } },
    cause: /contradict/,
  },
  {
    name: 'extras longer than the body',
    action: { kind: 'header', fields: { extrasLength: 255, totalBody: 10 } },
    cause: /contradict/,
  },
  { name: 'a reset', action: { kind: 'reset' }, cause: /ECONNRESET|closed the connection/ },
  {
    name: 'a reset behind half a header',
    action: { kind: 'reset', when: { afterBytes: 11 } },
    cause: /ECONNRESET/,
  },
  { name: 'an end', action: { kind: 'close' }, cause: /closed the connection/ },
  {
    name: 'an end behind half a header',
    action: { kind: 'truncate', bytes: 13, end: 'close' },
    cause: /closed the connection/,
  },
  {
    name: 'a packet nobody asked for',
    action: { kind: 'unsolicited', position: 'before' },
    cause: /not made|opcode/,
  },
];

/** A read settles with them; as answers to a write they end the connection. */
const announcements: typeof lies = [
  { name: '100 MB', action: { kind: 'announce', bytes: 100_000_000 }, cause: /limit/ },
  { name: '4 GB', action: { kind: 'announce', bytes: huge }, cause: /limit/ },
];

/** What is no answer at all: it may be that of any read under way. */
const isCut = (action: RequestAction): boolean => ['reset', 'close', 'truncate'].includes(action.kind);

for (const model of models) {
  describe(`a client on a ${model} base and a server that answers a write with`, () => {
    for (const { name, action, cause } of [...lies, ...announcements]) {
      test(name, async () => {
        await using server = await startServer({ record: true });
        await using opened = await open(server.url, model, { backoff: { min: 1, max: 5 } });
        const { db } = opened;
        await db.upsert('before', 'here');
        const fault = await server.fault({ opcode: 'set', key: 'struck', action, times: 1 });
        const struck = rejection(db.upsert('struck', 'value'));
        const innocent = db.get('before'); // in the same write: a read, so it is made again
        const error = await struck;
        assert.ok(error instanceof ConnectionError, String(error));
        assert.equal(error.ambiguous, true);
        assert.equal(error.context.key, 'struck');
        assert.match(story(error), cause);
        assert.ok(error.cause instanceof Error && 'code' in error.cause);
        assert.equal(await innocent, 'here');
        assert.equal(await fault.hits(), 1);
        await db.upsert('after', 1);
        // Never sent again: the server may have executed it.
        const sent = (await server.commands()).filter(({ key }) => key.toString() === 'struck');
        assert.equal(sent.length, 1);
      });
    }
  });

  describe(`a client on a ${model} base whose read meets`, () => {
    for (const { name, action, cause } of lies.filter((lie) => !isCut(lie.action))) {
      test(`${name}, whenever it is read: it is not read again for ever`, async () => {
        await using server = await startServer();
        await using opened = await open(server.url, model, { backoff: { min: 1, max: 5 } });
        const { db } = opened;
        await db.upsert('k', 'value of k');
        const fault = await server.fault({ opcode: 'get', key: 'k', action });
        const error = await rejection(db.get('k', { timeout: 60_000 }));
        assert.ok(error instanceof ConnectionError, String(error));
        assert.match(story(error), cause);
        assert.equal(error.context.attempts, 3);
        assert.equal(await fault.hits(), 3);
        await server.clearFaults();
        assert.equal(await db.get('k'), 'value of k');
      });
    }

    for (const { name, action } of announcements) {
      test(`${name}, which nobody sends: it fails alone and at once, and the connection at the next silence`, async () => {
        await using server = await startServer();
        await using opened = await open(server.url, model, {
          silenceTimeout: 50,
          backoff: { min: 1, max: 5 },
        });
        const { db } = opened;
        await db.upsert('k', 'value of k');
        const fault = await server.fault({ opcode: 'get', key: 'k', action, times: 1 });
        const error = await rejection(db.get('k', { timeout: 60_000 }));
        assert.ok(error instanceof ServerError, String(error));
        assert.equal(error.retryable, false);
        assert.match(error.message, /maxValueSize \(33554432\)/);
        assert.equal(await fault.hits(), 1);
        await until(
          async () => (await db.get('k', { timeout: 60 }).catch(() => undefined)) === 'value of k',
          'it recovers',
        );
      });
    }

    for (const { name, action } of lies) {
      test(`${name}: it is read again on the next connection`, async () => {
        await using server = await startServer();
        await using opened = await open(server.url, model, { backoff: { min: 1, max: 5 } });
        const { db } = opened;
        await db.upsert('k', 'value of k');
        const fault = await server.fault({ opcode: 'get', key: 'k', action, times: 2 });
        assert.equal(await db.get('k'), 'value of k');
        assert.equal(await fault.hits(), 2);
      });
    }

    for (const fields of [
      { keyLength: 65_535 },
      { keyLength: 1 },
      { extrasLength: 9 },
      { extrasLength: 0 },
    ]) {
      test(`lengths that add up but cannot be (${JSON.stringify(fields)})`, async () => {
        await using server = await startServer();
        await using opened = await open(server.url, model, { backoff: { min: 1, max: 5 } });
        const { db } = opened;
        const value = 'abcdefghijk'.repeat(7000);
        await db.upsert('k', value);
        await server.fault({ opcode: 'get', action: { kind: 'header', fields }, times: 1 });
        assert.ok((await db.get('k')) === value, 'a value other than what was stored');
      });
    }

    test('lies only, up to its deadline', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, { backoff: { min: 1, max: 5 } });
      await server.fault({ opcode: 'get', action: { kind: 'garbage', seed: 3 } });
      await takes(opened.base, 0, 1000, async () => {
        const errors = await Promise.all(
          Array.from({ length: 50 }, (_, i) => rejection(opened.db.get(`k${i}`, { timeout: 200 }))),
        );
        for (const error of errors) {
          assert.ok(error instanceof TimeoutError || error instanceof ConnectionError, String(error));
        }
      });
      await server.clearFaults();
      assert.equal(await opened.db.get('k0'), undefined);
    });

    test('half a header and silence: TimeoutError at its deadline, then a new connection', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, { silenceTimeout: 50, backoff: { min: 1, max: 5 } });
      const { db } = opened;
      await server.fault({
        opcode: 'get',
        action: { kind: 'truncate', bytes: 12, end: 'silence' },
        times: 1,
      });
      const error = await rejection(db.get('k', { timeout: 100 }));
      assert.ok(error instanceof TimeoutError);
      assert.equal(error.ambiguous, false);
      await db.upsert('k', 'v');
      assert.equal(await db.get('k'), 'v');
    });

    test('an announcement of 100 MB within its limit: memory is not filled before the bytes come', async () => {
      await using server = await startServer();
      const options = { maxValueSize: 200_000_000, silenceTimeout: 100, backoff: { min: 1, max: 5 } };
      await using opened = await open(server.url, model, options);
      const { db } = opened;
      await server.fault({ opcode: 'get', action: { kind: 'announce', bytes: 100_000_000 } });
      const before = process.memoryUsage().rss;
      let most = 0;
      for (let i = 0; i < 8; i += 1) {
        const error = await rejection(db.get('k', { timeout: 100 }));
        assert.ok(error instanceof TimeoutError);
        most = Math.max(most, process.memoryUsage().rss - before);
      }
      assert.ok(most < 100 << 20, `${most >> 20} MiB more`);
      await server.clearFaults();
      assert.equal(await db.get('k'), undefined);
      await until(() => counters().largeValues === 0, 'what was received in part is let go');
    });

    test('a reset in the middle of a large value: the whole value on the next connection', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, { backoff: { min: 1, max: 5 } });
      const { db } = opened;
      const value = Buffer.alloc(900_000, 'abcdefghijk');
      await db.upsert('large', value);
      for (const afterBytes of [24, 25, 28, 29, 16_000, 131_072, 500_000, 900_027]) {
        const fault = await server.fault({
          opcode: 'get',
          action: { kind: 'reset', when: { afterBytes } },
          times: 1,
        });
        const found = await Promise.all([db.get<Buffer>('large'), db.get<Buffer>('large')]);
        for (const each of found) assert.ok(each?.equals(value));
        assert.equal(await fault.hits(), 1);
      }
    });

    test('a value in single bytes, and one in odd pieces', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model);
      const { db } = opened;
      const large = Buffer.alloc(300_000, '0123456789');
      await db.upsert('large', large);
      await db.upsert('small', 'some words');
      await server.fault({ opcode: 'get', key: 'small', action: { kind: 'split' } });
      await server.fault({
        opcode: 'get',
        key: 'large',
        action: { kind: 'split', sizes: [23, 1, 3, 1, 40_001] },
      });
      assert.equal(await db.get('small'), 'some words');
      assert.ok((await db.get<Buffer>('large'))?.equals(large));
    });
  });
}
