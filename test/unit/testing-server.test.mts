import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { Opcode, type ServerOptions, Status, startServer } from '../../lib/testing/index.ts';
import { counterExtras, encode, RawClient, u32 } from '../conformance/raw-client.mts';

const set = (key: string, value: string | Buffer, expiry = 0) => ({
  opcode: Opcode.set,
  key,
  value,
  extras: u32(0, expiry),
});
const get = (key: string, opaque = 0) => ({ opcode: Opcode.get, key, opaque });
const noop = { opcode: Opcode.noop };
const noopAnswer = 24;

/** All that the server says to who says this, until it hangs up. */
async function textOf(
  server: { readonly port: number; readonly host: string },
  said: string,
): Promise<string> {
  const socket = connectSocket(server.port, server.host);
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  socket.on('error', () => {});
  if (said !== '') socket.write(said, 'latin1');
  await once(socket, 'close');
  return text;
}

for (const { form, options } of [
  { form: 'in this thread', options: {} },
  { form: 'in a worker', options: { worker: true } },
] satisfies { form: string; options: ServerOptions }[]) {
  describe(`a test server ${form}`, () => {
    test('listens on a free port of the loopback and answers', async () => {
      await using server = await startServer(options);
      assert.equal(server.url, `memcached://127.0.0.1:${server.port}`);
      const client = await RawClient.connect(server);
      await client.ask(set('k', 'v'));
      assert.equal((await client.ask(get('k'))).value.toString(), 'v');
      assert.equal((await client.ask({ opcode: Opcode.version })).value.toString(), '1.6.18-evenkeel');
      await client.close();
    });

    test('listens on a unix socket', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'evenkeel-'));
      try {
        const path = join(folder, 'memcached.sock');
        await using server = await startServer({ ...options, path });
        assert.equal(server.url, `memcached://${path}`);
        const client = await RawClient.connect(server);
        assert.equal((await client.ask(noop)).status, Status.success);
        await server.fault({ action: { kind: 'reset' } });
        client.send(noop);
        await client.ended;
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test('on a socket whose path has to be escaped has a url that connects', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'evenkeel ?#%-'));
      try {
        await using server = await startServer({ ...options, path: join(folder, 's') });
        await using db = await connect(server.url);
        assert.equal(await db.get('k'), undefined);
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test('has at most maxConnections, and tells further ones so', async () => {
      await using server = await startServer({ ...options, maxConnections: 2 });
      const [first, second] = [await RawClient.connect(server), await RawClient.connect(server)];
      await server.waitForConnections(2);
      assert.equal(await textOf(server, ''), 'ERROR Too many open connections\r\n');
      assert.equal((await first.ask(noop)).status, Status.success);
      assert.equal((await server.stats()).rejected_connections, '1');
      await second.close();
      await server.waitForConnections(1);
      const third = await RawClient.connect(server);
      assert.equal((await third.ask(noop)).status, Status.success);
      await Promise.all([first.close(), third.close()]);
    });

    test('the first byte of a connection says which protocol it speaks', async () => {
      await using server = await startServer(options);
      const client = await RawClient.connect(server);
      await client.ask({ ...set('k', 'v'), extras: u32(7, 0) });
      const { cas } = await client.ask(get('k'));
      assert.equal(
        await textOf(server, 'gets k\r\nmg k v f t c\r\nquit\r\n'),
        `VALUE k 7 1 ${cas}\r\nv\r\nEND\r\nVA 1 f7 t-1 c${cas}\r\nv\r\n`,
      );
      assert.equal(
        await textOf(server, 'set t 5 0 2\r\nok\r\nms aGkgeW91 2 b F6 c\r\nme\r\nquit\r\n'),
        `STORED\r\nHD c${cas + 2n}\r\n`,
      );
      const [classic, meta] = [await client.ask(get('t')), await client.ask(get('hi you'))];
      assert.deepEqual([classic.value.toString(), classic.extras.readUInt32BE()], ['ok', 5]);
      assert.deepEqual([meta.value.toString(), meta.extras.readUInt32BE(), meta.cas], ['me', 6, cas + 2n]);
      await client.close();
    });

    test('hangs up on what is no protocol', async () => {
      await using server = await startServer(options);
      for (const text of ['GET / HTTP/1.1\r\n', 'x'.repeat(2049), `mg ${'x'.repeat(2048)}\r\n`])
        assert.equal(await textOf(server, text), '');
      const keys = Array.from({ length: 20_000 }, (_, index) => `key-${index}`).join(' ');
      assert.equal(await textOf(server, `get ${keys}\r\nquit\r\n`), 'END\r\n');
      assert.match(await textOf(server, `get ${'k '.repeat(600_000)}`), /^SERVER_ERROR out of memory/);
    });

    test('sets nothing aside for a value before its bytes arrive', async () => {
      await using server = await startServer({ ...options, maxItemBytes: 2 ** 30 });
      const announcing = encode({ ...set('k', ''), totalBody: 2 ** 30 - 1 });
      const held = (): number => process.memoryUsage().arrayBuffers;
      const before = held();
      const sockets = await Promise.all(
        Array.from({ length: 200 }, async () => {
          const socket = connectSocket(server.port, server.host);
          await once(socket, 'connect');
          socket.write(announcing);
          return socket;
        }),
      );
      await server.waitForConnections(200);
      const client = await RawClient.connect(server);
      assert.equal((await client.ask(noop)).status, Status.success);
      assert.ok(held() - before < 100e6);
      await client.close();
      for (const socket of sockets) socket.destroy();
    });

    test('takes a large value in pieces of any size', async () => {
      await using server = await startServer(options);
      const client = await RawClient.connect(server);
      const value = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
      const request = encode(set('k', value));
      const socket = connectSocket(server.port, server.host);
      await once(socket, 'connect');
      socket.setNoDelay(true);
      for (let at = 0, size = 1; at < request.length; at += size, size = Math.min(size * 3, 100_000)) {
        socket.write(request.subarray(at, at + size));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await server.waitForCommands(1);
      assert.deepEqual((await client.ask(get('k'))).value, value);
      socket.destroy();
      await client.close();
    });

    test('answers the groups of STAT as memcached does', async () => {
      await using server = await startServer({ ...options, maxConnections: 7 });
      const client = await RawClient.connect(server);
      const statsOf = async (group: string): Promise<ReadonlyMap<string, string> | number> => {
        const lines = new Map<string, string>();
        client.send({ opcode: Opcode.stat, key: group });
        for (;;) {
          const [answer] = await client.answers(1);
          assert.ok(answer !== undefined);
          const { status, key, value } = answer;
          if (status !== Status.success) return status;
          if (key === '') return lines;
          lines.set(key, value.toString());
        }
      };
      const named = async (group: string): Promise<ReadonlyMap<string, string>> => {
        const lines = await statsOf(group);
        assert.ok(lines instanceof Map, group);
        return lines;
      };
      assert.equal((await named('detail on')).size, 0);
      for (const key of ['a:1', 'a:2', 'b']) await client.ask(set(key, 'x'));
      await client.ask(get('a:1'));
      await client.ask(get('a:9'));
      await client.ask({ opcode: Opcode.delete, key: 'a:2' });
      const settings = await named('settings');
      assert.deepEqual(
        ['maxconns', 'evictions', 'cas_enabled', 'auth_enabled_sasl', 'detail_enabled'].map((name) =>
          settings.get(name),
        ),
        ['7', 'on', 'yes', 'no', 'yes'],
      );
      assert.equal((await named('items')).get('items:1:number'), '2');
      assert.equal((await named('slabs')).get('active_slabs'), '1');
      assert.equal((await named('sizes')).get('sizes_status'), 'disabled');
      assert.equal(
        (await named('detail dump')).get('detailed'),
        'PREFIX a get 2 hit 1 set 2 del 1\r\nEND\r\n',
      );
      assert.equal((await named('detail off')).size, 0);
      assert.equal((await named('reset')).size, 0);
      assert.equal((await named('detail dump')).get('detailed'), 'END\r\n');
      for (const group of ['conns', 'detail', 'nonsense'])
        assert.equal(await statsOf(group), Status.keyNotFound);
      await client.close();
    });

    test('rejects with EADDRINUSE on a port in use', async () => {
      await using first = await startServer(options);
      await assert.rejects(startServer({ ...options, port: first.port }), { code: 'EADDRINUSE' });
    });

    test('stop ends connections and refuses new ones; restart listens on the same port', async () => {
      await using server = await startServer(options);
      const client = await RawClient.connect(server);
      await client.ask(set('k', 'v'));
      await server.stop();
      assert.equal(await client.ended, 'close');
      await assert.rejects(RawClient.connect(server), { code: 'ECONNREFUSED' });
      await server.restart({ keepData: true });
      const kept = await RawClient.connect(server);
      assert.equal((await kept.ask(get('k'))).value.toString(), 'v');
      await server.restart({ reset: true });
      assert.equal(await kept.ended, 'reset');
      const emptied = await RawClient.connect(server);
      assert.equal((await emptied.ask(get('k'))).status, Status.keyNotFound);
      await emptied.close();
    });

    test('disconnectAll ends connections and keeps listening', async () => {
      await using server = await startServer(options);
      const clients = await Promise.all([RawClient.connect(server), RawClient.connect(server)]);
      await server.waitForConnections(2);
      await server.disconnectAll();
      assert.deepEqual(await Promise.all(clients.map(({ ended }) => ended)), ['close', 'close']);
      assert.equal(await server.connections(), 0);
      await (await RawClient.connect(server)).close();
    });

    test('a paused server answers nothing until it is resumed, connections made meanwhile included', async () => {
      await using server = await startServer(options);
      const before = await RawClient.connect(server);
      await before.ask(noop);
      await server.pause();
      const during = await RawClient.connect(server);
      before.send(noop);
      during.send(noop);
      await server.waitForConnections(2);
      assert.equal(Number((await server.stats()).bytes_read), noopAnswer);
      await server.resume();
      await Promise.all([before.answers(1), during.answers(1)]);
      await Promise.all([before.close(), during.close()]);
    });

    test('flush empties it and stats count', async () => {
      await using server = await startServer(options);
      const client = await RawClient.connect(server);
      await client.ask(set('k', 'v'));
      await client.ask(get('k'));
      assert.equal((await server.stats()).curr_items, '1');
      await server.flush();
      await client.ask(get('k'));
      const stats = await server.stats();
      assert.deepEqual(
        [stats.curr_items, stats.cmd_get, stats.get_hits, stats.get_misses, stats.curr_connections],
        ['0', '2', '1', '1', '1'],
      );
      client.send({ opcode: Opcode.stat });
      const names: string[] = [];
      for (;;) {
        const [line] = await client.answers(1);
        if (line === undefined || line.key === '') break;
        names.push(line.key);
      }
      assert.deepEqual(names, Object.keys(stats));
      await client.close();
    });

    test('records chunks and requests', async () => {
      await using server = await startServer({ ...options, record: true });
      const [first, second] = [await RawClient.connect(server), await RawClient.connect(server)];
      await first.ask({ ...set('k', 'value'), opaque: 7, cas: 0n });
      await second.ask({ ...get('k', 8), cas: 2n ** 64n - 2n });
      const commands = await server.commands();
      assert.deepEqual(commands, [
        {
          connection: 0,
          opcode: Opcode.set,
          key: Buffer.from('k'),
          opaque: 7,
          cas: 0n,
          extras: u32(0, 0),
          value: Buffer.from('value'),
        },
        {
          connection: 1,
          opcode: Opcode.get,
          key: Buffer.from('k'),
          opaque: 8,
          cas: 2n ** 64n - 2n,
          extras: Buffer.alloc(0),
          value: Buffer.alloc(0),
        },
      ]);
      const chunks = await server.received();
      assert.deepEqual(chunks[1], { connection: 1, bytes: encode({ ...get('k', 8), cas: 2n ** 64n - 2n }) });
      await Promise.all([first.close(), second.close()]);
    });

    test('asking for a recording that was not made rejects', async () => {
      await using server = await startServer(options);
      await assert.rejects(server.commands(), /record: true/);
      await assert.rejects(server.received(), /record: true/);
    });
  });
}

test('a clock cannot be given to a worker', async () => {
  await assert.rejects(startServer({ worker: true, clock: () => 0 }), TypeError);
});

test('options that make no sense are refused by name', async () => {
  const refused: Readonly<Record<string, readonly unknown[]>> = {
    port: [-1, 65536, 1.5, '11211', null],
    host: ['', 5, null, '127.0.0.1\0', 'a b'],
    path: ['', 5, null, 'a\0b', 'a'.repeat(104)],
    worker: [1, null],
    record: ['yes', null],
    maxItemBytes: [-1, 0.5, '1', null],
    maxBytes: [-1, 0.5, '1', null],
    maxConnections: [-1, 0.5, '1', null],
    clock: [5, null],
  };
  for (const [argument, values] of Object.entries(refused))
    for (const value of values)
      await assert.rejects(startServer({ [argument]: value }), {
        code: 'EVENKEEL_INVALID_ARGUMENT',
        context: { argument },
      });
  await using server = await startServer();
  for (const options of [null, { reset: 1 }, { rest: true }] as object[]) {
    await assert.rejects(server.stop(options), { code: 'EVENKEEL_INVALID_ARGUMENT' });
    await assert.rejects(server.disconnectAll(options), { code: 'EVENKEEL_INVALID_ARGUMENT' });
    await assert.rejects(server.restart(options), { code: 'EVENKEEL_INVALID_ARGUMENT' });
  }
  await assert.rejects(server.restart({ keepdata: true } as object), /did you mean keepData\?/);
  await assert.rejects(server.waitForCommands(-1), { code: 'EVENKEEL_INVALID_ARGUMENT' });
});

test('close may be called twice', async () => {
  for (const worker of [false, true]) {
    const server = await startServer({ worker });
    await server.close();
    await server.close();
  }
});

test('the answers to pipelined requests leave in one write', async () => {
  await using server = await startServer();
  const client = await RawClient.connect(server);
  await client.ask(noop);
  client.reads.length = 0;
  client.send(...Array.from({ length: 200 }, (_, opaque) => ({ ...noop, opaque })));
  const answers = await client.answers(200);
  assert.deepEqual(
    answers.map(({ opaque }) => opaque),
    Array.from({ length: 200 }, (_, opaque) => opaque),
  );
  assert.equal(client.reads.length, 1);
  await client.close();
});

test('requests are understood wherever their bytes are cut', async () => {
  await using server = await startServer({ record: true });
  const client = await RawClient.connect(server);
  const bytes = Buffer.concat([set('cut', 'value'), get('cut', 1), noop].map(encode));
  for (let at = 1; at < bytes.length; at += 1) {
    const chunksBefore = (await server.received()).length;
    client.socket.write(bytes.subarray(0, at));
    while ((await server.received()).length === chunksBefore) await new Promise(setImmediate);
    client.socket.write(bytes.subarray(at));
    const answers = await client.answers(3);
    assert.deepEqual(
      answers.map(({ opcode, status }) => [opcode, status]),
      [
        [Opcode.set, 0],
        [Opcode.get, 0],
        [Opcode.noop, 0],
      ],
    );
    assert.equal(answers[1]?.value.toString(), 'value');
  }
  await client.close();
});

test('values of many reads arrive whole, and what is too large is skipped', async () => {
  await using server = await startServer({ maxItemBytes: 3_000_000 });
  const client = await RawClient.connect(server);
  const large = Buffer.alloc(2_500_000, 'large ');
  assert.equal((await client.ask(set('large', large))).status, Status.success);
  assert.ok((await client.ask(get('large'))).value.equals(large));
  client.send(set('larger', Buffer.alloc(4_000_000)), get('large'));
  const [refused, after] = await client.answers(2);
  assert.equal(refused?.status, Status.tooLarge);
  assert.ok(after?.value.equals(large));
  await client.close();
});

test('a bad magic ends the connection without an answer, behind the answers before it', async () => {
  await using server = await startServer();
  const client = await RawClient.connect(server);
  client.send(noop, { opcode: Opcode.get, key: 'k', magic: 0x81 });
  await client.ended;
  assert.equal(client.unread.length, noopAnswer);
});

test('no request brings it down, however its fields contradict each other', async () => {
  await using server = await startServer({ maxItemBytes: 2000 });
  let state = 20;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let round = 0; round < 400; round += 1) {
    const client = await RawClient.connect(server);
    for (let index = 0; index < 5; index += 1) {
      client.send({
        opcode: random(0x28),
        extras: Buffer.alloc(random(3) === 0 ? random(256) : random(6) * 4, random(256)),
        key: Buffer.alloc(random(4) === 0 ? random(300) : random(3), 'k'),
        value: Buffer.alloc(random(3) === 0 ? random(4000) : 0, '7'),
        cas: BigInt(random(3)),
      });
    }
    await client.close();
  }
  const client = await RawClient.connect(server);
  assert.equal((await client.ask(noop)).status, Status.success);
  await client.close();
});

test('expiries are relative up to 30 days and Unix times above', async () => {
  let now = Date.UTC(2030, 0, 1);
  const days30 = 30 * 24 * 3600;
  await using server = await startServer({ clock: () => now });
  const client = await RawClient.connect(server);
  const found = async (key: string) => (await client.ask(get(key))).status === Status.success;
  await client.ask(set('relative', 'v', days30));
  await client.ask(set('absolute', 'v', now / 1000 + 60));
  await client.ask(set('past', 'v', days30 + 1));
  await client.ask(set('never', 'v'));
  assert.equal(await found('past'), false);
  now += 59_999;
  assert.equal(await found('absolute'), true);
  now += 1;
  assert.equal(await found('absolute'), false);
  assert.equal(await found('relative'), true);
  await client.ask({ opcode: Opcode.touch, key: 'never', extras: u32(5) });
  now += 5_000;
  assert.equal(await found('never'), false);
  now += days30 * 1000;
  assert.equal(await found('relative'), false);
  await client.close();
});

test('a counter is created with its expiry, and not at all with 0xffffffff', async () => {
  let now = Date.UTC(2030, 0, 1);
  await using server = await startServer({ clock: () => now });
  const client = await RawClient.connect(server);
  const count = (expiry: number) =>
    client.ask({ opcode: Opcode.increment, key: 'n', extras: counterExtras(2n, 40n, expiry) });
  assert.equal((await count(0xffffffff)).status, Status.keyNotFound);
  assert.equal((await count(10)).value.readBigUInt64BE(), 40n);
  assert.equal((await count(0)).value.readBigUInt64BE(), 42n);
  now += 10_000;
  assert.equal((await count(0)).value.readBigUInt64BE(), 40n);
  await client.close();
});

test('a delayed flush takes what exists when its time comes', async () => {
  let now = Date.UTC(2030, 0, 1);
  await using server = await startServer({ clock: () => now });
  const client = await RawClient.connect(server);
  await client.ask(set('early', 'v'));
  await client.ask({ opcode: Opcode.flush, extras: u32(10) });
  await client.ask(set('meanwhile', 'v'));
  now += 9_999;
  assert.equal((await client.ask(get('early'))).status, Status.success);
  now += 1;
  assert.equal((await client.ask(get('early'))).status, Status.keyNotFound);
  assert.equal((await client.ask(get('meanwhile'))).status, Status.keyNotFound);
  await client.ask(set('late', 'v'));
  assert.equal((await client.ask(get('late'))).status, Status.success);
  await client.close();
});

test('beyond maxBytes the items not used lately leave first', async () => {
  await using server = await startServer({ maxBytes: 100_000 });
  const client = await RawClient.connect(server);
  const value = Buffer.alloc(1000);
  await client.ask(set('used', value));
  await client.ask(set('unused', value));
  for (let index = 0; index < 200; index += 1) {
    await client.ask(set(`filler${index}`, value));
    assert.equal((await client.ask(get('used'))).status, Status.success);
  }
  assert.equal((await client.ask(get('unused'))).status, Status.keyNotFound);
  const stats = await server.stats();
  assert.ok(Number(stats.bytes) <= 100_000);
  assert.ok(Number(stats.evictions) > 90);
  await client.close();
});
