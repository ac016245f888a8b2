import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { ServerError } from '../../lib/errors.ts';
import { assertNothingLeft, models, open, rejection } from './harness.mts';
import { honest, packet, RawServer } from './raw-server.mts';

after(assertNothingLeft);

/** Answers `size:<n>` with a value of n bytes, in pieces, and `text:<n>` with an error of n bytes of text. */
const sized = (): Promise<RawServer> =>
  RawServer.start({
    requests: (socket, requests) => {
      for (const request of requests) {
        const { opcode, opaque, key } = request;
        const [kind, length] = key.split(':');
        const value = Buffer.alloc(Number(length ?? 0), 'x');
        if (kind === 'size') socket.write(packet({ opcode, opaque, value }));
        else if (kind === 'text') socket.write(packet({ opcode, opaque, status: 0x84, value }));
        else honest(socket, [request]);
      }
    },
  });

for (const model of models) {
  describe(`a client on a ${model} base with maxValueSize: 100 that reads a value of`, () => {
    for (const size of [101, 10_000, 16_384, 200_000, 20_000_000]) {
      test(`${size} bytes: that read fails at once, and nothing else notices`, async () => {
        await using server = await sized();
        await using opened = await open(server.url, model, { maxValueSize: 100 });
        const { db } = opened;
        const beside = Array.from({ length: 50 }, (_, i) => [db.upsert(`w${i}`, i), db.get(`r${i}`)]).flat();
        const key = `size:${size}`;
        const behind: Promise<unknown>[] = [];
        for (const read of [
          db.get(key, { timeout: 60_000 }),
          db.getRecord(key),
          db.getAndTouch(key, { ttl: 1 }),
        ]) {
          const error = await rejection(read);
          assert.ok(error instanceof ServerError, String(error));
          assert.equal(error.retryable, false);
          assert.equal(error.ambiguous, false);
          assert.match(error.message, new RegExp(`${size} bytes.*maxValueSize \\(100\\)`));
          assert.equal(error.context.attempts, 1);
          behind.push(db.increment('n', { initial: 1n }).catch((error: Error) => error.message));
        }
        assert.equal(await db.exists(key), true); // which takes no value
        const many = await rejection(db.getMany(['a', key, 'b']));
        assert.match(many.message, /maxValueSize/);
        await Promise.all([...beside, ...behind]);
        assert.equal(String(await db.get('k')), 'value of k');
        assert.equal(String(await db.get('size:100')), 'x'.repeat(100));
        assert.equal(server.connections, 1);
      });
    }

    test('many bytes of an error: its text is shortened, and nothing else notices', async () => {
      await using server = await sized();
      await using opened = await open(server.url, model, { maxValueSize: 100 });
      const { db } = opened;
      for (const length of [200, 16_384, 1_000_000]) {
        for (const failing of [db.get(`text:${length}`), db.upsert(`text:${length}`, 1)]) {
          const error = await rejection(failing);
          assert.ok(error instanceof ServerError, String(error));
          assert.equal(error.context.status, 0x84);
          assert.ok(error.message.length < 500, `${error.message.length} characters`);
        }
        assert.equal(String(await db.get('k')), 'value of k');
      }
      assert.equal(server.connections, 1);
    });
  });
}
