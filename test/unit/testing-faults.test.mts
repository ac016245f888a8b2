import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type FaultRule,
  Opcode,
  type RequestAction,
  type ServerOptions,
  Status,
  startServer,
} from '../../lib/testing/index.ts';
import { RawClient, u32 } from '../conformance/raw-client.mts';

const set = (key: string, value: string, opaque = 0) => ({
  opcode: Opcode.set,
  key,
  value,
  extras: u32(0, 0),
  opaque,
});
const get = (key: string, opaque = 0) => ({ opcode: Opcode.get, key, opaque });
const noop = (opaque = 0) => ({ opcode: Opcode.noop, opaque });

async function started(options: ServerOptions) {
  const server = await startServer(options);
  const client = await RawClient.connect(server);
  await client.ask(set('a', 'value of a'));
  return {
    server,
    client,
    strike: (action: RequestAction) => server.fault({ opcode: 'get', key: 'a', action }),
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

const forms: { form: string; options: ServerOptions }[] = [
  { form: 'in this thread', options: {} },
  { form: 'in a worker', options: { worker: true } },
];

for (const { form, options } of forms) {
  describe(`faults of a server ${form}`, () => {
    test('delay: the answer is late and later ones wait behind it', async () => {
      await using ready = await started(options);
      await ready.strike({ kind: 'delay', ms: 200 });
      const before = performance.now();
      ready.client.send(get('a', 1), noop(2));
      const answers = await ready.client.answers(2);
      assert.deepEqual(
        answers.map(({ opaque }) => opaque),
        [1, 2],
      );
      // Timers count from when the loop last looked at the clock.
      assert.ok(performance.now() - before >= 100);
    });

    test('delay with reorder: later answers overtake', async () => {
      await using ready = await started(options);
      await ready.strike({ kind: 'delay', ms: 30, reorder: true });
      ready.client.send(get('a', 1), noop(2));
      const answers = await ready.client.answers(2);
      assert.deepEqual(
        answers.map(({ opaque }) => opaque),
        [2, 1],
      );
    });

    test('hang: nothing more is executed or answered on the connection, other connections work', async () => {
      await using ready = await started(options);
      const fault = await ready.strike({ kind: 'hang' });
      ready.client.send(get('a'), set('after', 'x'));
      await fault.waitForHits();
      await ready.server.waitForCommands(3);
      const other = await RawClient.connect(ready.server);
      assert.equal((await other.ask(get('after'))).status, Status.keyNotFound);
      assert.equal(ready.client.unread.length, 0);
      await other.close();
    });

    test('hang with later answers: only that request stays unanswered', async () => {
      await using ready = await started(options);
      await ready.strike({ kind: 'hang', later: 'answer' });
      ready.client.send(get('a', 1), noop(2));
      assert.equal((await ready.client.answers(1))[0]?.opaque, 2);
    });

    test('drop: the request is executed and not answered', async () => {
      await using ready = await started(options);
      await ready.server.fault({ opcode: 'set', action: { kind: 'drop' } });
      ready.client.send(set('dropped', 'stored'));
      assert.equal((await ready.client.ask(get('dropped', 3))).value.toString(), 'stored');
    });

    test('split: the answer arrives whole in pieces', async () => {
      await using ready = await started(options);
      await ready.strike({ kind: 'split', sizes: [10, 28], ms: 50 });
      ready.client.reads.length = 0;
      const answer = await ready.client.ask(get('a'));
      assert.equal(answer.value.toString(), 'value of a');
      assert.deepEqual(ready.client.reads, [10, 28]);
    });

    test('truncate: the beginning of the answer, then silence', async () => {
      await using ready = await started(options);
      await ready.strike({ kind: 'truncate', bytes: 30 });
      ready.client.send(get('a'), noop());
      await ready.server.waitForCommands(3);
      assert.equal((await ready.client.bytes(30)).length, 30);
    });

    // libuv reports an RST that comes along with data as an end of stream: here only the bytes before it are looked at.
    test('truncate, then FIN or RST', async () => {
      await using ready = await started(options);
      await ready.strike({ kind: 'truncate', bytes: 5, end: 'close' });
      ready.client.send(get('a'));
      assert.equal(await ready.client.ended, 'close');
      assert.equal(ready.client.unread.length, 5);
      await ready.server.clearFaults();
      await ready.strike({ kind: 'truncate', bytes: 5, end: 'reset' });
      const other = await RawClient.connect(ready.server);
      other.send(get('a'));
      await other.ended;
      assert.equal(other.unread.length, 5);
    });

    test('reset before execution: RST, and nothing was stored', async () => {
      await using ready = await started(options);
      await ready.server.fault({ opcode: 'set', times: 1, action: { kind: 'reset' } });
      ready.client.send(set('x', '1'), set('y', '1'));
      assert.equal(await ready.client.ended, 'reset');
      const other = await RawClient.connect(ready.server);
      assert.equal((await other.ask(get('x'))).status, Status.keyNotFound);
      assert.equal((await other.ask(get('y'))).status, Status.keyNotFound);
      await other.close();
    });

    test('reset after execution: RST, and it was stored', async () => {
      await using ready = await started(options);
      await ready.server.fault({ opcode: 'set', action: { kind: 'reset', when: 'after' } });
      ready.client.send(set('x', '1'));
      assert.equal(await ready.client.ended, 'reset');
      assert.equal(ready.client.unread.length, 0);
      const other = await RawClient.connect(ready.server);
      assert.equal((await other.ask(get('x'))).value.toString(), '1');
      await other.close();
    });

    test('reset in the middle of a value', async () => {
      await using ready = await started(options);
      await ready.strike({ kind: 'reset', when: { afterBytes: 24 + 4 + 3 } });
      ready.client.send(get('a'));
      await ready.client.ended;
      assert.equal(ready.client.unread.subarray(28).toString(), 'val');
    });

    test('close: FIN behind the answers before it', async () => {
      await using ready = await started(options);
      await ready.strike({ kind: 'close' });
      ready.client.send(noop(1), get('a', 2));
      assert.equal(await ready.client.ended, 'close');
      assert.equal(ready.client.unread.readUInt32BE(12), 1);
      assert.equal(ready.client.unread.length, 24);
    });

    test('a connection that is just being closed can be reset', async () => {
      await using ready = await started(options);
      const fault = await ready.strike({ kind: 'close' });
      ready.client.send(get('a'));
      await fault.waitForHits();
      await ready.server.disconnectAll({ reset: true });
      await ready.client.ended;
      assert.equal(await ready.server.connections(), 0);
    });

    test('wrongOpaque: the complement, or the one given', async () => {
      await using ready = await started(options);
      const complement = await ready.strike({ kind: 'wrongOpaque' });
      assert.equal((await ready.client.ask(get('a', 5))).opaque, 0xfffffffa);
      await complement.remove();
      await ready.strike({ kind: 'wrongOpaque', opaque: 77 });
      assert.equal((await ready.client.ask(get('a', 5))).opaque, 77);
    });

    test('status: any code, with the usual text or another body', async () => {
      await using ready = await started(options);
      const usual = await ready.strike({ kind: 'status', status: Status.outOfMemory });
      const outOfMemory = await ready.client.ask(get('a', 9));
      assert.deepEqual([outOfMemory.status, outOfMemory.opaque], [0x82, 9]);
      assert.equal(outOfMemory.value.toString(), 'Out of memory');
      await usual.remove();
      await ready.strike({ kind: 'status', status: 0x85, body: 'busy' });
      const busy = await ready.client.ask(get('a'));
      assert.deepEqual([busy.status, busy.value.toString()], [0x85, 'busy']);
    });

    test('status executes the request only when told to', async () => {
      await using ready = await started(options);
      await ready.server.fault({ key: 'no', opcode: 'set', action: { kind: 'status', status: 0x86 } });
      await ready.server.fault({
        key: 'yes',
        opcode: 'set',
        action: { kind: 'status', status: 0x86, execute: true },
      });
      await ready.client.ask(set('no', '1'));
      await ready.client.ask(set('yes', '1'));
      assert.equal((await ready.client.ask(get('no'))).status, Status.keyNotFound);
      assert.equal((await ready.client.ask(get('yes'))).status, Status.success);
    });

    test('garbage: the bytes given, or the same random ones for the same seed', async () => {
      await using ready = await started(options);
      const given = await ready.strike({ kind: 'garbage', bytes: Buffer.from('HTTP/1.1 400\r\n') });
      ready.client.send(get('a'));
      assert.equal((await ready.client.bytes(14)).toString(), 'HTTP/1.1 400\r\n');
      await given.remove();
      await ready.strike({ kind: 'garbage', seed: 3, length: 20 });
      const seen: string[] = [];
      for (let round = 0; round < 2; round += 1) {
        const other = await RawClient.connect(ready.server);
        other.send(get('a'));
        seen.push((await other.bytes(20)).toString('hex'));
        await other.close();
      }
      assert.equal(seen[0], seen[1]);
    });

    test('header: lengths, magic and opcode that lie', async () => {
      await using ready = await started(options);
      const fields = {
        magic: 0x42,
        opcode: 3,
        keyLength: 9,
        extrasLength: 8,
        totalBody: 99,
        datatype: 1,
        cas: 7n,
      };
      await ready.strike({ kind: 'header', fields });
      ready.client.send(get('a'));
      const bytes = await ready.client.bytes(24 + 4 + 10);
      assert.deepEqual([...bytes.subarray(0, 6)], [0x42, 3, 0, 9, 8, 1]);
      assert.equal(bytes.readUInt32BE(8), 99);
      assert.equal(bytes.readBigUInt64BE(16), 7n);
    });

    test('announce: a header for a body that never comes', async () => {
      await using ready = await started(options);
      await ready.strike({ kind: 'announce', bytes: 0x7fffffff });
      ready.client.send(get('a', 4), noop());
      await ready.server.waitForCommands(3);
      const bytes = await ready.client.bytes(24);
      assert.equal(bytes.length, 24);
      assert.equal(bytes.readUInt32BE(8), 0x7fffffff);
      assert.equal(bytes.readUInt32BE(12), 4);
    });

    test('unsolicited: packets before or after the answer', async () => {
      await using ready = await started(options);
      const before = await ready.strike({ kind: 'unsolicited' });
      ready.client.send(get('a', 1));
      assert.deepEqual(
        (await ready.client.answers(2)).map(({ opaque }) => opaque),
        [0xdeadbeef, 1],
      );
      await before.remove();
      await ready.strike({ kind: 'unsolicited', position: 'after', packets: [Buffer.from('extra')] });
      await ready.client.ask(get('a', 2));
      assert.equal((await ready.client.bytes(5)).toString(), 'extra');
    });

    test('connect faults: refuse, reset, silent, banner', async () => {
      await using ready = await started(options);
      const { server } = ready;
      const refuse = await server.fault({ on: 'connect', action: { kind: 'refuse' } });
      await assert.rejects(RawClient.connect(server), { code: 'ECONNREFUSED' });
      assert.equal((await ready.client.ask(noop())).status, Status.success);
      await refuse.remove();

      const reset = await server.fault({ on: 'connect', times: 1, action: { kind: 'reset' } });
      const cut = await RawClient.connect(server).then(
        ({ ended }) => ended,
        (error: NodeJS.ErrnoException) => error.code,
      );
      assert.ok(cut === 'reset' || cut === 'ECONNRESET');
      assert.equal(await reset.hits(), 1);

      const silent = await server.fault({ on: 'connect', times: 1, action: { kind: 'silent' } });
      const mute = await RawClient.connect(server);
      await silent.waitForHits();
      mute.send(noop());

      await server.fault({ on: 'connect', action: { kind: 'banner', bytes: Buffer.from('220 smtp\r\n') } });
      const greeted = await RawClient.connect(server);
      assert.equal((await greeted.bytes(10)).toString(), '220 smtp\r\n');
      assert.equal(mute.unread.length, 0);
      await Promise.all([mute.close(), greeted.close()]);
      await server.waitForConnections(1);
    });

    test('rules match by opcode, key, connection, nth and times', async () => {
      await using ready = await started(options);
      const { server, client } = ready;
      const action: RequestAction = { kind: 'status', status: 0x99 };
      const struck = async (asked: RawClient, key: string) => (await asked.ask(get(key))).status === 0x99;

      const byKey = await server.fault({ key: /^user:\d+$/, action });
      assert.deepEqual([await struck(client, 'user:1'), await struck(client, 'user:x')], [true, false]);
      await byKey.remove();

      await server.fault({ opcode: ['set', Opcode.get], key: 'é', nth: 2, times: 2, action });
      const series: boolean[] = [];
      for (let index = 0; index < 5; index += 1) series.push(await struck(client, 'é'));
      assert.deepEqual(series, [false, true, true, false, false]);
      await server.clearFaults();

      const other = await RawClient.connect(server);
      await server.fault({ connection: 1, action });
      assert.deepEqual([await struck(client, 'k'), await struck(other, 'k')], [false, true]);
      await other.close();
    });
  });
}

test('a malformed fault is refused when it is set, and the server goes on', async () => {
  const malformed: unknown[] = [
    { action: { kind: 'nope' } },
    { action: undefined },
    { action: { kind: 'toString' } },
    { action: { kind: 'delay' } },
    { action: { kind: 'truncate', bytes: '20' } },
    { action: { kind: 'split', sizes: 3 } },
    { action: { kind: 'garbage', bytes: 1e12 } },
    { action: { kind: 'reset', when: 'later' } },
    { action: { kind: 'status' } },
    { action: { kind: 'refuse' } },
    { on: 'connect', action: { kind: 'hang' } },
    { opcode: 'gett', action: { kind: 'drop' } },
    { opcode: 256, action: { kind: 'drop' } },
    { opcod: 'get', action: { kind: 'drop' } },
    { action: { kind: 'drop', ms: 5 } },
    { action: { kind: 'header', fields: { magic: 256 } } },
    { action: { kind: 'header', fields: { majic: 1 } } },
    { action: { kind: 'header', fields: { cas: 2n ** 64n } } },
    { action: { kind: 'status', status: 0x10000 } },
    { action: { kind: 'announce', bytes: 2 ** 32 } },
    { action: { kind: 'wrongOpaque', opaque: -1 } },
    { action: { kind: 'drop' }, times: -1 },
    { action: { kind: 'drop' }, nth: 0 },
    { action: { kind: 'drop' }, key: 5 },
    { on: 'conect', action: { kind: 'reset' } },
    null,
  ];
  for (const { options } of forms) {
    await using ready = await started(options);
    for (const rule of malformed)
      await assert.rejects(ready.server.fault(rule as FaultRule), { code: 'EVENKEEL_INVALID_ARGUMENT' });
    assert.equal((await ready.client.ask(get('a'))).value.toString(), 'value of a');
  }
});

test('a misspelt fault is refused with the word that may have been meant', async () => {
  await using server = await startServer();
  const refused = (rule: unknown, message: RegExp): Promise<void> =>
    assert.rejects(server.fault(rule as FaultRule), message);
  await refused({ action: { kind: 'delay', msec: 5 } }, /did you mean ms\?/);
  await refused({ action: { kind: 'truncated', bytes: 5 } }, /did you mean truncate\?/);
  await refused({ time: 1, action: { kind: 'drop' } }, /did you mean times\?/);
  await refused({ action: { kind: 'header', fields: { opaq: 5 } } }, /did you mean opaque\?/);
});

test('a key predicate works in this thread and is refused by a worker', async () => {
  const rule = {
    key: (key: string) => key.length === 3,
    action: { kind: 'status', status: 0x99 },
  } as const;
  await using local = await startServer();
  await local.fault(rule);
  const client = await RawClient.connect(local);
  assert.equal((await client.ask(get('abc'))).status, 0x99);
  assert.equal((await client.ask(get('abcd'))).status, Status.keyNotFound);
  await client.close();
  await using remote = await startServer({ worker: true });
  await assert.rejects(remote.fault(rule), { name: 'DataCloneError' });
});

test('waiting for a fault that never strikes rejects when the server is closed', async () => {
  for (const { options } of forms) {
    const server = await startServer(options);
    const fault = await server.fault({ action: { kind: 'drop' } });
    const waiting = assert.rejects(fault.waitForHits(), /closed/);
    await server.close();
    await waiting;
  }
});
