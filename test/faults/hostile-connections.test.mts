import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { BackpressureError, ConnectionError, TimeoutError } from '../../lib/errors.ts';
import { startServer } from '../../lib/testing/index.ts';
import { takes } from '../loop-time.mts';
import { assertNothingLeft, models, open, openBase, rejection, story, turn, until } from './harness.mts';
import { honest, packet, RawServer, type Script } from './raw-server.mts';

after(assertNothingLeft);

interface Refusal {
  readonly name: string;
  readonly script: Script;
  readonly cause: RegExp;
  /** It may yet answer. */
  readonly isSilent?: boolean;
}

/** Servers with which no connection ever comes about, and what the error must say of it. */
const refusals: readonly Refusal[] = [
  {
    name: 'sends a banner of garbage',
    script: { deaf: true, accept: (socket) => socket.write(Buffer.alloc(100, 0x5a)) },
    cause: /does not speak the protocol.*"Z{80}…"/,
  },
  {
    name: 'speaks ASCII',
    script: { deaf: true, accept: (socket) => socket.write('ERROR\r\nERROR\r\n') },
    cause: /does not speak the protocol.*it said "ERROR\\u000d\\u000aERROR"/,
  },
  {
    name: 'is full',
    script: { accept: (socket) => socket.end('ERROR Too many open connections\r\n') },
    cause: /it said "ERROR Too many open connections"/,
  },
  {
    name: 'speaks another language',
    script: { accept: (socket) => socket.end('ERREUR: accès refusé\n') },
    cause: /it said "ERREUR: accès refusé"/,
  },
  {
    name: 'wants TLS',
    script: { accept: (socket) => socket.end(Buffer.from('15030300020228', 'hex')) },
    cause: /does not speak the protocol.*it said 15030300020228/,
  },
  {
    name: 'sends much that is no text',
    script: { accept: (socket) => socket.end(Buffer.alloc(1000, 0xff)) },
    cause: /does not speak the protocol.*it said (ff){32}…/,
  },
  {
    name: 'closes at once',
    script: { accept: (socket) => socket.destroySoon() },
    cause: /closed the connection|ECONNRESET/,
  },
  {
    name: 'resets at once',
    script: { accept: (socket) => socket.resetAndDestroy() },
    cause: /ECONNRESET|EPIPE/,
  },
  { name: 'accepts and stays silent', script: { deaf: true }, cause: /ETIMEDOUT|no answer/, isSilent: true },
  {
    name: 'refuses the handshake',
    script: {
      deaf: true,
      accept: (socket) =>
        socket.write(packet({ opcode: 0x0b, opaque: 0xffffffff, status: 0x81, value: 'Unknown command' })),
    },
    cause: /refused the handshake/,
  },
  {
    name: 'answers the handshake with half a header',
    script: { deaf: true, accept: (socket) => socket.write(Buffer.from([0x81, 0x0b, 0, 0])) },
    cause: /ETIMEDOUT|no answer/,
    isSilent: true,
  },
];

for (const model of models) {
  describe(`a client on a ${model} base and a server that`, () => {
    for (const { name, script, cause, isSilent = false } of refusals) {
      test(`${name}: connect() says so, and a lazy client recovers once the server behaves`, async () => {
        await using server = await RawServer.start(script);
        await using base = openBase(model);
        const options = { eventBase: base, protocol: 'binary', backoff: { min: 1, max: 5 } } as const;
        // One that answers is not tried for the whole time, which nobody would wait for.
        const connectTimeout = isSilent ? 250 : 2 ** 31 - 1;
        const error = await rejection(connect(server.url, { ...options, connectTimeout }));
        assert.ok(error instanceof ConnectionError, String(error));
        assert.match(story(error), cause);

        const db = await connect(server.url, { ...options, connectTimeout: 250, lazy: true });
        const late = await rejection(db.get('k', { timeout: 150 }));
        assert.ok(late instanceof TimeoutError, String(late));
        const waiting = db.get('k', { timeout: 60_000 });
        server.script = { requests: honest };
        server.reset();
        assert.deepEqual(await waiting, Buffer.from('value of k'));
        await db.close();
      });
    }

    test('is at a path that does not exist: connect() rejects at once', async () => {
      await using base = openBase(model);
      const path = join(tmpdir(), 'evenkeel-nobody', 'socket');
      const connecting = connect(`memcached://${path}`, { eventBase: base, connectTimeout: 2 ** 31 - 1 });
      assert.match(story(await rejection(connecting)), /ENOENT/);
    });

    test('does not listen yet: connect() waits for it', async () => {
      const server = createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      server.close();
      await once(server, 'close');
      await using base = openBase(model);
      const backoff = { min: 1, max: 5 };
      const connecting = connect(`memcached://127.0.0.1:${port}`, {
        eventBase: base,
        backoff,
        connectTimeout: 60_000,
      });
      await new Promise((resolve) => setTimeout(resolve, 30));
      await using _late = await startServer({ port });
      const db = await connecting;
      await db.upsert('k', 'v');
      await db.close();
    });

    test('closes after each handshake: operations end within their deadlines, and it recovers', async () => {
      await using server = await RawServer.start({ requests: (socket) => socket.destroy() });
      await using opened = await open(server.url, model, { backoff: { min: 2, max: 10 } });
      const { db } = opened;
      await takes(opened.base, 0, 1000, async () => {
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            rejection(
              i % 2 === 0 ? db.get(`k${i}`, { timeout: 200 }) : db.upsert(`k${i}`, i, { timeout: 200 }),
            ),
          ),
        );
        for (const error of outcomes) {
          assert.ok(error instanceof TimeoutError || error instanceof ConnectionError, String(error));
        }
      });
      server.script = { requests: honest };
      assert.deepEqual(await db.get('k', { timeout: 60_000 }), Buffer.from('value of k'));
    });

    test('answers every request twice: the connection ends, values are right', async () => {
      await using server = await RawServer.start({
        requests: (socket, requests) => {
          for (const request of requests) {
            honest(socket, [request]);
            honest(socket, [request]);
          }
        },
      });
      await using opened = await open(server.url, model, { backoff: { min: 1, max: 2 } });
      const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
      for (let round = 0; round < 10; round += 1) {
        const found = await Promise.allSettled(
          keys.map((key) => opened.db.get<Buffer>(key, { timeout: 2000 })),
        );
        for (const [index, outcome] of found.entries()) {
          if (outcome.status === 'fulfilled') assert.equal(String(outcome.value), `value of ${keys[index]}`);
          else assert.ok(outcome.reason instanceof TimeoutError || outcome.reason instanceof ConnectionError);
        }
        assert.ok(found.some(({ status }) => status === 'fulfilled'));
      }
      assert.ok(server.connections > 1);
      server.script = { requests: honest };
      assert.equal(String(await opened.db.get('end', { timeout: 60_000 })), 'value of end');
    });

    test('answers in another order: each operation gets its own answer, on one connection', async () => {
      await using server = await RawServer.start({
        requests: (socket, requests) => {
          for (const request of [...requests].reverse()) honest(socket, [request]);
        },
      });
      await using opened = await open(server.url, model);
      const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`);
      const found = await Promise.all(keys.map((key) => opened.db.get<Buffer>(key)));
      assert.deepEqual(
        found.map(String),
        keys.map((key) => `value of ${key}`),
      );
      assert.equal(server.connections, 1);
    });

    test('answers after the timeout: the late answer settles nothing else, ever', async () => {
      const late: (() => void)[] = [];
      await using server = await RawServer.start({
        requests: (socket, requests) => {
          for (const request of requests) {
            if (request.key.startsWith('late')) late.push(() => honest(socket, [request]));
            else honest(socket, [request]);
          }
        },
      });
      await using opened = await open(server.url, model, { silenceTimeout: 60_000 });
      const { db } = opened;
      for (let round = 0; round < 20; round += 1) {
        const given = Array.from({ length: 10 }, (_, i) =>
          rejection(db.get(`late${round}-${i}`, { timeout: 5 })),
        );
        for (const error of await Promise.all(given)) assert.ok(error instanceof TimeoutError);
        // New operations are under way when the old answers arrive.
        const keys = Array.from({ length: 10 }, (_, i) => `k${round}-${i}`);
        const found = Promise.all(keys.map((key) => db.get<Buffer>(key)));
        await until(() => late.length === 10, 'the server has them all');
        for (const answer of late.splice(0)) answer();
        assert.deepEqual(
          (await found).map(String),
          keys.map((key) => `value of ${key}`),
        );
      }
      assert.equal(server.connections, 1);
    });

    test('drops one answer with a window of one: the client gives the connection up and goes on', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, {
        maxInFlight: 1,
        silenceTimeout: 100,
        backoff: { min: 1, max: 2 },
      });
      const { db } = opened;
      await db.upsert('k', 'v');
      await server.fault({ opcode: 'get', key: 'dropped', action: { kind: 'drop' } });
      assert.ok((await rejection(db.get('dropped', { timeout: 10 }))) instanceof TimeoutError);
      // What waits behind it has to notice: nothing written is left that could time out.
      await until(
        async () => (await db.get('k', { timeout: 200 }).catch(() => undefined)) === 'v',
        'it recovers',
      );
    });

    test('never reads: bounded by maxInFlight and maxQueued, all settled in time, then it recovers', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, {
        maxInFlight: 50,
        maxQueued: 100,
        connectTimeout: 200,
        silenceTimeout: 100,
        backoff: { min: 1, max: 5 },
      });
      const { db } = opened;
      await db.upsert('k', 'v');
      await server.pause();
      const value = Buffer.alloc(400_000);
      let isLate = false;
      using _ = opened.base.timer(3000, () => {
        isLate = true;
      });
      const errors = await Promise.all(
        Array.from({ length: 200 }, (_, i) =>
          rejection(
            i % 2 === 0 ? db.upsert(`k${i}`, value, { timeout: 300 }) : db.get(`k${i}`, { timeout: 300 }),
          ),
        ),
      );
      assert.equal(isLate, false);
      const refused = errors.filter((error) => error instanceof BackpressureError);
      assert.equal(refused.length, 50);
      for (const error of errors) {
        const expected = [BackpressureError, TimeoutError, ConnectionError];
        assert.ok(
          expected.some((kind) => error instanceof kind),
          String(error),
        );
      }
      await server.resume();
      assert.equal(await db.get('k', { timeout: 20_000 }), 'v');
    });

    test('announces an endless value a byte at a time: the deadline holds', async () => {
      const timers = new Set<NodeJS.Timeout>();
      await using server = await RawServer.start({
        requests: (socket, requests) => {
          for (const { opcode, opaque } of requests) {
            socket.write(packet({ opcode, opaque, announce: 1_000_000 }));
            const timer = setInterval(() => socket.write('x'), 2);
            timers.add(timer);
            socket.once('close', () => clearInterval(timer));
          }
        },
      });
      await using opened = await open(server.url, model);
      await takes(opened.base, 99, 500, async () => {
        assert.ok((await rejection(opened.db.get('k', { timeout: 100 }))) instanceof TimeoutError);
      });
      await turn();
      await opened.db.close({ timeout: 1 });
      for (const timer of timers) clearInterval(timer);
    });
  });
}
