import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AnswerBuffer } from '../../lib/testing/answers.ts';
import { Opcode, Status, startServer } from '../../lib/testing/index.ts';
import { PrefixCounters } from '../../lib/testing/stat-groups.ts';
import { Counters } from '../../lib/testing/stats.ts';
import { Store } from '../../lib/testing/store.ts';
import { textDialect } from '../../lib/testing/text/dialect.ts';
import { TextParser } from '../../lib/testing/text/parser.ts';
import { TextClient } from '../conformance/text-client.mts';
import { SCRIPTS } from '../conformance/text-scripts.mts';

const LIMIT = 10_000;

/** What a server without a socket answers to bytes that arrive in these pieces. */
function answersTo(pieces: readonly Buffer[]): string {
  const store = new Store({ clock: () => 0, maxBytes: 1e6, maxItemBytes: LIMIT });
  const answers = new AnswerBuffer();
  const prefixes = new PrefixCounters();
  const statistics = () => undefined;
  const context = {
    store,
    answers,
    prefixes,
    statistics,
    counters: new Counters(),
    version: '1.6.18',
    credentials: undefined,
  };
  const session = { speaksMeta: true, authenticated: true, saslStarted: false };
  let text = '';
  const dialect = textDialect(context, session);
  const parser = new TextParser(LIMIT, session, {
    request: (request) => dialect.execute(request),
    broken: (answer = 'closed') => {
      text += answer;
    },
  });
  for (const piece of pieces) {
    parser.feed(piece);
    text += Buffer.concat(answers.take()).toString('latin1');
  }
  return text;
}

test('text commands get the same answers wherever their bytes are cut', () => {
  for (const [name, ...steps] of SCRIPTS) {
    const bytes = Buffer.from(steps.join(''), 'latin1');
    if (bytes.length > 600) continue;
    const whole = answersTo([bytes]);
    const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
    assert.equal(answersTo(single), whole, name);
    for (let at = 1; at < bytes.length; at += 1)
      assert.equal(answersTo([bytes.subarray(0, at), bytes.subarray(at)]), whole, `${name}, cut at ${at}`);
  }
});

test('a line that is too long ends the connection wherever its bytes are cut', () => {
  const line = Buffer.from(`set ${'x'.repeat(2045)}\r\nversion\r\n`);
  for (const at of [1, 2000, 2048, 2049, 2050, line.length - 1])
    assert.equal(answersTo([line.subarray(0, at), line.subarray(at)]), 'closed');
  const fits = Buffer.from(`set ${'x'.repeat(2043)}\r\nversion\r\n`);
  for (const at of [1, 2000, 2048, 2049, fits.length])
    assert.match(answersTo([fits.subarray(0, at), fits.subarray(at)]), /^ERROR\r\nVERSION/);
});

describe('what newer servers than 1.6.18 do', () => {
  for (const [name, commands, answers] of [
    [
      'E gives a CAS of its own',
      'ms a 1 E777 c\r\n1\r\nmg a c\r\nms a 1 C777 E18446744073709551615 c\r\n2\r\nma a E5 c v\r\nmd a I E9\r\nmg a c\r\nmg v N0 E44 c\r\n',
      'HD c777\r\nHD c777\r\nHD c18446744073709551615\r\nVA 1 c5\r\n3\r\nHD\r\nHD c9 X W\r\nHD c44 W\r\n',
    ],
    [
      'x leaves an item without its value',
      'ms a 3 F7 T60 E5\r\nabc\r\nmd a x\r\nmg a v f c t\r\nmd a x I T30 E6\r\nmg a v c t\r\nmd b x\r\n',
      'HD\r\nHD\r\nVA 0 f0 c5 t-1\r\n\r\nHD\r\nVA 0 c6 t30 X W\r\n\r\nNF\r\n',
    ],
    [
      'mg with C sends the value only where the CAS is another',
      'ms a 3 E5\r\nabc\r\nmg a v C5 s\r\nmg a v C6 s\r\n',
      'HD\r\nHD s3\r\nVA 3 s3\r\nabc\r\n',
    ],
    [
      'N creates what is appended to, and s tells the size',
      'ms a 1 MA N60 s\r\n1\r\nms a 2 MP N30 s\r\n23\r\nmg a v t\r\nms b 1 MA s\r\n1\r\n',
      'HD s1\r\nHD s3\r\nVA 3 t60\r\n231\r\nNS s1\r\n',
    ],
  ] as const)
    test(name, () => {
      assert.equal(answersTo([Buffer.from(commands)]), answers);
    });
});

test('a claim ends with the value that was made for it, and with the next invalidation', async () => {
  let now = Date.UTC(2030, 0, 1);
  await using server = await startServer({ clock: () => now });
  const client = await TextClient.connect(server);
  assert.equal(await client.ask('ms a 1 T100\r\n1\r\nmg a R30 v t\r\n'), 'HD\r\nVA 1 t100\r\n1\r\n');
  now += 70_000;
  assert.equal(await client.ask('mg a R30 v t l h\r\n'), 'VA 1 t30 l70 h1\r\n1\r\n');
  now += 1_000;
  assert.equal(await client.ask('mg a R30 t l\r\nmg a R30\r\n'), 'HD t29 l1 W\r\nHD Z\r\n');
  assert.equal(await client.ask('md a I T60\r\nmg a t\r\nmg a\r\n'), 'HD\r\nHD t60 X W\r\nHD Z X\r\n');
  assert.equal(await client.ask('ms a 1 T100\r\n2\r\nmg a v R30\r\n'), 'HD\r\nVA 1\r\n2\r\n');
  now += 100_000;
  assert.equal(await client.ask('mg a\r\nmg a N10 t\r\nmg a N10 t\r\n'), 'EN\r\nHD t10 W\r\nHD t10 Z\r\n');
  await client.finish();
});

describe('faults of text and meta connections', () => {
  /** What is said to `commands` while `fault` is set, until `isEnough` or the end. */
  async function struck(
    fault: Parameters<Awaited<ReturnType<typeof startServer>>['fault']>[0],
    commands: string,
    isEnough: (text: string) => boolean = () => false,
  ): Promise<string> {
    await using server = await startServer();
    const client = await TextClient.connect(server);
    await client.ask('set k 3 0 2\r\nhi\r\n');
    const handle = await server.fault(fault);
    client.send(commands);
    const text = await client.until(isEnough);
    assert.equal(await handle.hits(), 1);
    await client.finish();
    return text;
  }
  const ends = (last: string) => (text: string) => text.endsWith(last);

  test('they go by the operation and by any of the keys', async () => {
    const status = { kind: 'status', status: Status.outOfMemory } as const;
    const line = 'SERVER_ERROR out of memory storing object\r\n';
    for (const [opcode, key, commands, answers] of [
      ['get', 'k', 'get a\r\nget a k\r\n', `END\r\n${line}`],
      ['get', 'k', 'mg a\r\nmg k v\r\n', `EN\r\n${line}`],
      ['get', 'hi you', 'mg a\r\nmg aGkgeW91 b\r\n', `EN\r\n${line}`],
      ['set', 'k', 'add k 0 0 1\r\n1\r\nms k 1\r\n1\r\n', `NOT_STORED\r\n${line}`],
      ['set', 'k', 'set a 0 0 1\r\n1\r\ncas k 0 0 1 1\r\n1\r\n', `STORED\r\n${line}`],
      ['add', undefined, 'ms a 1\r\n1\r\nms a 1 ME\r\n1\r\n', `HD\r\n${line}`],
      ['decrement', undefined, 'incr a 1\r\nma a\r\nma a MD\r\n', `NOT_FOUND\r\nNF\r\n${line}`],
      ['touch', undefined, 'mg k T1 v\r\nmg k T100\r\n', `VA 2\r\nhi\r\n${line}`],
      ['delete', undefined, 'md k\r\n', line],
      ['noop', undefined, 'mn\r\n', line],
    ] as const)
      assert.equal(await struck({ opcode, key, action: status }, commands, ends(line)), answers);
  });

  test('a status is the line that memcached has for it, or the one given', async () => {
    const asked = async (status: number, command: string, body?: string): Promise<string> =>
      struck({ action: { kind: 'status', status, body } }, command, ends('\n'));
    assert.equal(await asked(Status.keyNotFound, 'delete k\r\n'), 'NOT_FOUND\r\n');
    assert.equal(await asked(Status.keyNotFound, 'mg k O5 v\r\n'), 'EN O5\r\n');
    assert.equal(await asked(Status.keyExists, 'ms k 1 O5 k\r\n1\r\n'), 'EX O5 kk\r\n');
    assert.equal(await asked(Status.unknownCommand, 'mg k\r\n'), 'ERROR\r\n');
    assert.equal(await asked(0x1234, 'get k\r\n'), 'SERVER_ERROR status 4660\r\n');
    assert.equal(await asked(1, 'get k\r\n', 'SERVER_ERROR busy'), 'SERVER_ERROR busy\r\n');
  });

  test('hang, drop, delay, split, truncate, close and reset', async () => {
    const get = 'VALUE k 3 2\r\nhi\r\nEND\r\n';
    assert.equal(
      await struck(
        { times: 1, action: { kind: 'hang', later: 'answer' } },
        'get k\r\nmn\r\n',
        ends('MN\r\n'),
      ),
      'MN\r\n',
    );
    assert.equal(
      await struck({ times: 1, action: { kind: 'drop' } }, 'delete k\r\nmg k\r\n', ends('\n')),
      'EN\r\n',
    );
    assert.equal(
      await struck({ times: 1, action: { kind: 'delay', ms: 5 } }, 'get k\r\nmn\r\n', ends('MN\r\n')),
      `${get}MN\r\n`,
    );
    assert.equal(await struck({ action: { kind: 'split' } }, 'get k\r\n', ends('END\r\n')), get);
    assert.equal(
      await struck({ action: { kind: 'truncate', bytes: 14, end: 'close' } }, 'mg k v\r\nget k\r\n'),
      'VA 2\r\nhi\r\n',
    );
    assert.equal(
      await struck({ action: { kind: 'close', when: { afterBytes: 5 } } }, 'get k\r\n'),
      get.slice(0, 5),
    );
    assert.equal(await struck({ action: { kind: 'reset' } }, 'get k\r\n'), '');
  });

  test('wrongOpaque, announce, unsolicited and garbage', async () => {
    const wrong = { action: { kind: 'wrongOpaque' } } as const;
    assert.equal(
      await struck(wrong, 'get k\r\nmg k O5 s\r\n', ends('s2\r\n')),
      'VALUE k 3 2\r\nhi\r\nEND\r\nHD Offfffffa s2\r\n',
    );
    assert.equal(await struck(wrong, 'mg k O5x\r\n', ends('\n')), 'HD O0\r\n');
    assert.equal(
      await struck({ action: { kind: 'wrongOpaque', opaque: 9 } }, 'mg a O5 k\r\n', ends('\n')),
      'EN O9 ka\r\n',
    );
    assert.equal(
      await struck({ action: { kind: 'announce', bytes: 9000 } }, 'get k\r\n', ends('\n')),
      'VALUE k 0 9000\r\n',
    );
    assert.equal(
      await struck({ action: { kind: 'announce', bytes: 9000 } }, 'mg k v O1\r\n', ends('\n')),
      'VA 9000 O1\r\n',
    );
    assert.equal(
      await struck({ action: { kind: 'unsolicited' } }, 'mg k\r\n', ends('HD\r\n')),
      'HD Odeadbeef\r\nHD\r\n',
    );
    assert.equal(
      await struck({ action: { kind: 'garbage', bytes: Buffer.from('what?\r\n') } }, 'get k\r\n', ends('\n')),
      'what?\r\n',
    );
  });

  test('a header of the binary protocol is not looked for', async () => {
    await using server = await startServer();
    const fault = await server.fault({ action: { kind: 'header', fields: { magic: 0 } } });
    const client = await TextClient.connect(server);
    assert.equal(await client.ask('get k\r\n'), 'END\r\n');
    assert.equal(await fault.hits(), 0);
    await client.finish();
  });

  test('the recording has the line, and what it asks for in the words of the binary protocol', async () => {
    await using server = await startServer({ worker: true, record: true });
    const client = await TextClient.connect(server);
    await client.ask('cas k 1 0 2 77 noreply\r\nhi\r\nmg aGkgeW91 b v O5\r\nwhat\r\n');
    const commands = await server.commands();
    assert.deepEqual(
      commands.map(({ opcode, key, opaque, cas, value, line }) => [
        opcode,
        key.toString(),
        opaque,
        cas,
        value.toString(),
        line,
      ]),
      [
        [Opcode.set, 'k', 0, 77n, 'hi', 'cas k 1 0 2 77 noreply'],
        [Opcode.get, 'hi you', 5, 0n, '', 'mg aGkgeW91 b v O5'],
        [0xff, '', 0, 0n, '', 'what'],
        [Opcode.noop, '', 0, 0n, '', 'mn'],
      ],
    );
    await client.finish();
  });
});

test('sets nothing aside for a text value before its bytes arrive', async () => {
  await using server = await startServer({ maxItemBytes: 2 ** 30 });
  const before = process.memoryUsage().arrayBuffers;
  const clients = await Promise.all(Array.from({ length: 100 }, () => TextClient.connect(server)));
  for (const [index, client] of clients.entries())
    client.send(`${index % 2 === 0 ? 'set k 0 0' : 'ms k'} ${2 ** 30 - 100}\r\n`);
  await server.waitForConnections(100);
  const client = await TextClient.connect(server);
  assert.equal(await client.ask(''), '');
  assert.ok(process.memoryUsage().arrayBuffers - before < 100e6);
  for (const each of [client, ...clients]) await each.finish();
});

test('no bytes bring it down', async () => {
  await using server = await startServer({ maxItemBytes: 2000 });
  let state = 20;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const parts = [
    'get',
    'set',
    'mg',
    'ms',
    'md',
    'ma',
    'me',
    'k',
    '5',
    '-1',
    'b',
    'v',
    'q',
    'O1',
    '\0',
    '\r',
    '\n',
    '\r\n',
    ' ',
    'T9',
    'C1',
    '99999999999',
    'aGk=',
    '=',
  ];
  for (let round = 0; round < 300; round += 1) {
    let text = '';
    for (let index = random(40); index >= 0; index -= 1)
      text += random(8) === 0 ? String.fromCharCode(random(128)) : `${parts[random(parts.length)]} `;
    const client = await TextClient.connect(server);
    await client.finish(`g${text}`);
  }
  const client = await TextClient.connect(server);
  assert.equal(await client.ask('get nothing\r\n'), 'END\r\n');
  await client.finish();
});
