import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidArgumentError } from '../../lib/errors.ts';
import { encode } from '../conformance/raw-client.mts';
import { BOTH_PROTOCOLS, everywhere } from './harness.mts';

const MIB = 1024 * 1024;
const THRESHOLDS = [5461, 16384, 65536, 131072, 262144];
const SIZES = [0, 1, 2, 255, 256, ...THRESHOLDS.flatMap((n) => [n - 1, n, n + 1]), MIB - 1024];

function pattern(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
}

everywhere(
  'values',
  (site) => {
    test('bytes of every size come back, alone and all at once', async () => {
      await using db = await site.open();
      const values = new Map(SIZES.map((size) => [site.key(), pattern(size)]));
      for (const [key, value] of values) {
        await db.upsert(key, value);
        assert.deepEqual(await db.get(key), value);
      }
      assert.deepEqual(await db.getMany(values.keys()), values);
      await Promise.all(
        [...values].map(([key, value]) => db.upsert(key, value.toString('base64').slice(0, value.length))),
      );
      for (const [key, value] of values) {
        assert.equal(await db.get(key), value.toString('base64').slice(0, value.length));
      }
    });

    test('strings are counted in bytes around the threshold of large values', async () => {
      await using db = await site.open();
      for (const [text, bytes] of [
        ['é', 2],
        ['漢', 3],
        ['😀', 4],
      ] as const) {
        for (const size of [16380, 16384, 16388]) {
          const value = text.repeat(Math.floor(size / bytes)).padStart(size % bytes, 'a');
          const key = site.key();
          await db.upsert(key, value);
          assert.equal(await db.get(key), value);
        }
      }
    });

    test('what is no string and no bytes comes back as JSON has it', async () => {
      await using db = await site.open();
      const key = site.key();
      const values = [
        null,
        true,
        false,
        0,
        -0.5,
        1e308,
        [],
        {},
        [1, 'ü', null],
        { a: { b: [{}] } },
        'true',
        '',
      ];
      for (const value of values) {
        await db.upsert(key, value);
        assert.deepEqual(await db.get(key), value);
      }
      await db.upsert(key, new Date(0));
      assert.equal(await db.get(key), '1970-01-01T00:00:00.000Z');
      await db.upsert(key, { large: 'x'.repeat(200_000) });
      assert.deepEqual(await db.get(key), { large: 'x'.repeat(200_000) });
    });

    test('of a Uint8Array over part of a buffer only that part is written', async () => {
      await using db = await site.open();
      const key = site.key();
      const whole = pattern(100_000);
      const memory = new Uint8Array(whole).buffer;
      for (const [start, length] of [
        [3, 0],
        [3, 5],
        [1, 20_000],
      ] as const) {
        const part = new Uint8Array(memory, start, length);
        for (const value of [part, Buffer.from(memory, start, length)]) {
          await db.upsert(key, value);
          assert.deepEqual(await db.get(key), whole.subarray(start, start + length));
          await db.upsert(key, Buffer.from('<'));
          await db.append(key, value);
          const expected = Buffer.concat([Buffer.from('<'), whole.subarray(start, start + length)]);
          assert.deepEqual(await db.get(key), expected);
        }
      }
    });

    test('a small value may be changed as soon as the call has returned', async () => {
      await using db = await site.open();
      const key = site.key();
      const value = Buffer.from('before');
      const written = db.upsert(key, value);
      value.fill(0);
      await written;
      assert.deepEqual(await db.get(key), Buffer.from('before'));
    });

    test('a Buffer that was read belongs to the reader', async () => {
      await using db = await site.open();
      const keys = Array.from({ length: 200 }, () => site.key());
      await Promise.all(keys.map((key, i) => db.upsert(key, Buffer.alloc(100 + i, i))));
      const first = await db.getMany<Buffer>(keys);
      for (const value of first.values()) value.fill(0xff);
      const second = await db.getMany<Buffer>(keys);
      keys.forEach((key, i) => {
        assert.deepEqual(first.get(key), Buffer.alloc(100 + i, 0xff));
        assert.deepEqual(second.get(key), Buffer.alloc(100 + i, i));
      });
    });

    test('a Buffer that was read cannot take the memory of others away when it is transferred', async () => {
      await using db = await site.open();
      const keys = Array.from({ length: 50 }, () => site.key());
      await Promise.all(
        keys.map((key, i) => db.upsert(key, i % 2 === 0 ? `text ${i}` : Buffer.alloc(100, i))),
      );
      for (let round = 0; round < 5; round += 1) {
        const bytes = await db.get<Buffer>(keys[1] as string);
        const memory = bytes?.buffer as ArrayBuffer & { transfer?: () => ArrayBuffer };
        const refused = /DataCloneError|TypeError: .*not detachable/; // Node 24 says the latter
        try {
          structuredClone(bytes, { transfer: [memory] }); // Node 20 copies it instead
        } catch (error) {
          assert.match(String(error), refused);
        }
        assert.equal(bytes?.length, 100);
        try {
          if (round % 2 === 0) memory.transfer?.(); // Node 22 lets it happen
        } catch (error) {
          assert.match(String(error), refused);
        }
        const found = await Promise.all(keys.map((key) => db.get(key)));
        found.forEach((value, i) => {
          assert.deepEqual(value, i % 2 === 0 ? `text ${i}` : Buffer.alloc(100, i));
        });
      }
    });

    test('bytes whose memory is gone, and text that UTF-8 cannot say, are refused by the call', async () => {
      await using db = await site.open();
      const key = site.key();
      await db.upsert(key, 'kept');
      for (const size of [10, 100_000]) {
        const detached = new Uint8Array(size);
        structuredClone(detached.buffer, { transfer: [detached.buffer] });
        for (const value of [detached, 'a\ud800b']) {
          const refused = { code: 'EVENKEEL_INVALID_ARGUMENT', context: { argument: 'value' } };
          assert.throws(() => db.upsert(key, value), refused);
          assert.throws(() => db.append(key, value), refused);
          assert.throws(() => db.enter().insert(key, value), refused);
        }
      }
      assert.equal(await db.get(key), 'kept');
      await db.upsert(key, new Uint8Array(0));
      assert.deepEqual(await db.get(key), Buffer.alloc(0));
    });

    test('above the limit of the server it is an InvalidArgumentError, and the connection goes on', async () => {
      await using db = await site.open();
      const key = site.key();
      await db.upsert(key, 'before');
      const large = pattern(MIB + 1);
      const behind = site.key();
      const [refused, written] = await Promise.allSettled([
        db.upsert(key, large),
        db.upsert(behind, 'behind'),
      ]);
      assert.equal(refused.status, 'rejected');
      const { reason } = refused as PromiseRejectedResult;
      assert.ok(reason instanceof InvalidArgumentError);
      assert.deepEqual(reason.context, {
        op: 'upsert',
        key,
        node: site.node,
        attempts: 1,
        status: 3,
        argument: 'value',
      });
      assert.equal(written.status, 'fulfilled');
      assert.equal(await db.get(behind), 'behind');
      await assert.rejects(db.insert(site.key(), large.toString('latin1')), InvalidArgumentError);
      assert.equal(await db.get(behind), 'behind');
    });

    test('above maxValueSize it is refused by the call', async () => {
      await using db = await site.open({ maxValueSize: 20_000 });
      const key = site.key();
      const refusal = (error: unknown): boolean =>
        error instanceof InvalidArgumentError && error.context.argument === 'value';
      for (const value of [
        pattern(20_001),
        'x'.repeat(20_001),
        'ü'.repeat(10_001),
        { x: 'x'.repeat(20_000) },
      ]) {
        assert.throws(() => db.upsert(key, value), refusal);
      }
      await db.upsert(key, pattern(20_000));
      assert.equal((await db.get<Buffer>(key))?.length, 20_000);
      await db.upsert(key, 'ü'.repeat(10_000));
      assert.equal(await db.get(key), 'ü'.repeat(10_000));
    });

    test('a small maxValueSize counts the bytes of strings too', async () => {
      await using db = await site.open({ maxValueSize: 10 });
      const key = site.key();
      await db.upsert(key, 'ü'.repeat(5));
      assert.throws(() => db.upsert(key, 'ü'.repeat(6)), { code: 'EVENKEEL_INVALID_ARGUMENT' });
      assert.equal(await db.get(key), 'ü'.repeat(5));
    });
  },
  BOTH_PROTOCOLS,
);

everywhere(
  'values of other clients',
  (site) => {
    const stored = [
      { what: 'a string', flags: 0x04000000, bytes: 'grüße', value: 'grüße' },
      { what: 'JSON', flags: 0x02000000, bytes: '{"a":[1,null]}', value: { a: [1, null] } },
      { what: 'binary', flags: 0x03000000, bytes: '\u0000\u0001', value: Buffer.from([0, 1]) },
      { what: 'a string of another client', flags: 0x04000004, bytes: 'grüße', value: 'grüße' },
      { what: 'JSON of another client', flags: 0x02000006, bytes: '{"a":[1,null]}', value: { a: [1, null] } },
      { what: 'bytes of another client', flags: 0x03000002, bytes: 'x', value: Buffer.from('x') },
      { what: 'no flags', flags: 0, bytes: 'plain', value: Buffer.from('plain') },
      { what: 'flags nobody knows', flags: 0xdeadbeef, bytes: 'what', value: Buffer.from('what') },
    ];
    for (const { what, flags, bytes, value } of stored) {
      test(`${what} (flags ${flags.toString(16)}) is read for what it is`, async () => {
        await using db = await site.open();
        const raw = await site.raw();
        const key = site.key();
        const extras = Buffer.alloc(8);
        extras.writeUInt32BE(flags);
        await raw.ask({ opcode: 1, key, extras, value: bytes });
        await raw.close();
        const record = await db.getRecord(key);
        assert.deepEqual([record?.value, record?.flags], [value, flags]);
      });
    }

    test('what is written is found by others with the flags of its kind', async () => {
      await using db = await site.open();
      const raw = await site.raw();
      for (const [value, flags, bytes] of [
        ['text', 0x04000000, 'text'],
        [Buffer.from('bin'), 0x03000000, 'bin'],
        [{ a: 1 }, 0x02000000, '{"a":1}'],
        [7, 0x02000000, '7'],
      ] as const) {
        const key = site.key();
        await db.upsert(key, value);
        const answer = await raw.ask({ opcode: 0, key });
        assert.deepEqual([answer.extras.readUInt32BE(0), answer.value.toString()], [flags, bytes]);
      }
      await raw.close();
    });

    test('JSON that does not parse is a DecodeError for its reader only', async () => {
      await using db = await site.open();
      const raw = await site.raw();
      const [broken, whole] = [site.key(), site.key()];
      raw.socket.write(
        encode({ opcode: 1, key: broken, extras: Buffer.from('0200000000000000', 'hex'), value: '{' }),
      );
      await raw.answers(1);
      await raw.close();
      await db.upsert(whole, { ok: true });
      const [bad, good, many] = await Promise.allSettled([
        db.get(broken),
        db.get(whole),
        db.getMany([whole, broken]),
      ]);
      for (const each of [bad, many]) {
        assert.equal(each.status, 'rejected');
        const { code, context } = (each as PromiseRejectedResult).reason;
        assert.deepEqual(
          [code, context.op, context.key, context.node],
          ['EVENKEEL_DECODE', 'get', broken, site.node],
        );
      }
      assert.deepEqual(good, { status: 'fulfilled', value: { ok: true } });
    });
  },
  BOTH_PROTOCOLS,
);
