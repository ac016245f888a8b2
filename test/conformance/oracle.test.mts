import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Opcode, startServer } from '../../lib/testing/index.ts';
import { startMemcached } from './memcached.mts';
import { counterExtras, type RawAnswer, RawClient, type RawRequest, u32 } from './raw-client.mts';
import { skipWithout } from './tool.mts';

const SEQUENCES = 40;
const REQUESTS = 120;
const NO_CREATE = 0xffffffff;

type Random = (below: number) => number;

function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[random(values.length)];
  if (value === undefined) throw new Error('nothing to pick from');
  return value;
}

const keys = ['a', 'b', 'counter', 'é', 'k'.repeat(250)];
/** What a stored counter may look like. */
const numbers = [
  '',
  '0',
  '7',
  '10',
  '1000',
  '18446744073709551615',
  '18446744073709551616',
  '+5',
  ' 12',
  '12 x',
];
const negatives = ['-1', '-0', '-18446744073709551615', ' -7'];
const others = ['x', '5\0a', '1e3', Buffer.from([0, 255, 13, 10]), 'v'.repeat(5000)];
/**
 * For a number of 2^63 and more memcached looks for a minus sign up to the next NUL, which lies behind the value in memory
 * that may have one by chance. So such numbers are not among the random values.
 */
const values: (string | Buffer)[] = [
  ...numbers.filter((number) => !number.startsWith('18446744073709551615')),
  '007',
  ...others,
];
const flags = [0, 1, 0xdeadbeef];
const pastSeconds = 60 * 60 * 24 * 30 + 1;
const expiries = [0, 0, 0, 1000, pastSeconds];
// They add up to less than 2^63, for the same reason.
const deltas = [0n, 1n, 9n, 2n ** 40n, 2n ** 53n + 1n];

/** A request without opaque; `casOf` says that its CAS is the one the server at hand last gave for the key. */
interface Script {
  readonly request: RawRequest;
  readonly casOf: 'none' | 'last' | 'wrong';
}

function script(random: Random): Script {
  const key = pick(random, keys);
  const casOf = pick(random, ['none', 'none', 'none', 'last', 'wrong'] as const);
  const { get, getq, getk, getkq, set, setq, add, addq, replace, replaceq } = Opcode;
  const { append, appendq, prepend, prependq, increment, incrementq, decrement, decrementq } = Opcode;
  const stored = { key, value: pick(random, values) };
  switch (random(12)) {
    case 0:
    case 1:
    case 2: {
      const opcode = pick(random, [set, set, setq, add, addq, replace, replaceq]);
      return {
        request: { opcode, ...stored, extras: u32(pick(random, flags), pick(random, expiries)) },
        casOf,
      };
    }
    case 3:
      return { request: { opcode: pick(random, [append, appendq, prepend, prependq]), ...stored }, casOf };
    case 4:
    case 5:
    case 6: {
      const opcode = pick(random, [increment, incrementq, decrement, decrementq]);
      const expiry = pick(random, [0, 1000, pastSeconds, NO_CREATE]);
      const extras = counterExtras(pick(random, deltas), pick(random, deltas), expiry);
      return { request: { opcode, key, extras }, casOf };
    }
    case 7:
      return { request: { opcode: pick(random, [Opcode.delete, Opcode.deleteq]), key }, casOf };
    case 8: {
      const opcode = pick(random, [Opcode.touch, Opcode.gat, Opcode.gatq, Opcode.gatk, Opcode.gatkq]);
      return { request: { opcode, key, extras: u32(pick(random, expiries)) }, casOf: 'none' };
    }
    case 9: {
      const opcode = pick(random, [
        Opcode.noop,
        Opcode.flush,
        Opcode.flushq,
        Opcode.saslListMechs,
        0x50,
        0xff,
      ]);
      return { request: { opcode }, casOf: 'none' };
    }
    default:
      return { request: { opcode: pick(random, [get, getq, getk, getkq]), key }, casOf: 'none' };
  }
}

/** Replays scripts on one server; CAS values differ between servers, so each is reduced to how it relates to others. */
class Replayer {
  readonly #client: RawClient;
  readonly #lastCas = new Map<string, bigint>();
  readonly #casNames = new Map<bigint, string>([[0n, 'zero']]);
  #opaque = 0;

  constructor(client: RawClient) {
    this.#client = client;
  }

  /** Sends the request with a NOOP behind it and returns what came before the NOOP's answer, and after it as a GET. */
  async play({ request, casOf }: Script): Promise<unknown[]> {
    const key = String(request.key ?? '');
    const known = this.#lastCas.get(key) ?? 0n;
    const cas = casOf === 'none' ? 0n : casOf === 'last' ? known : 2n ** 63n + 5n;
    this.#opaque += 2;
    this.#client.send(
      { ...request, cas, opaque: this.#opaque },
      { opcode: Opcode.noop, opaque: this.#opaque + 1 },
    );
    const answers = await this.#untilNoop();
    if (key !== '') {
      const state = await this.#client.ask({ opcode: Opcode.get, key });
      this.#lastCas.set(key, state.cas);
      answers.push(state);
    }
    return answers.map((answer) => this.#comparable(answer));
  }

  async #untilNoop(): Promise<RawAnswer[]> {
    const answers: RawAnswer[] = [];
    for (;;) {
      const [answer] = await this.#client.answers(1);
      if (answer === undefined || answer.opaque === this.#opaque + 1) return answers;
      answers.push(answer);
    }
  }

  #comparable(answer: RawAnswer): unknown {
    const name = this.#casNames.get(answer.cas) ?? `cas ${this.#casNames.size}`;
    this.#casNames.set(answer.cas, name);
    return {
      ...answer,
      cas: name,
      extras: answer.extras.toString('hex'),
      value: answer.value.toString('latin1'),
    };
  }
}

test('random commands get the same answers from the test server and from memcached', {
  skip: skipWithout('memcached', 'memcached'),
}, async (t) => {
  await using real = await startMemcached();
  await using server = await startServer();
  const start = Number(process.env.EVENKEEL_SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`EVENKEEL_SEED=${start}`);
  for (let seed = start; seed < start + SEQUENCES; seed += 1) {
    const [realClient, ownClient] = await Promise.all([RawClient.connect(real), RawClient.connect(server)]);
    const [expected, actual] = [new Replayer(realClient), new Replayer(ownClient)];
    const random = randomOf(seed);
    await Promise.all(
      [expected, actual].map((side) => side.play({ request: { opcode: Opcode.flush }, casOf: 'none' })),
    );
    for (let index = 0; index < REQUESTS; index += 1) {
      const step = script(random);
      const [theirs, ours] = await Promise.all([expected.play(step), actual.play(step)]);
      assert.deepEqual(ours, theirs, `seed ${seed}, request ${index}: ${JSON.stringify(step)}`);
    }
    await Promise.all([realClient.close(), ownClient.close()]);
  }
});

test('the same texts count as numbers', {
  skip: skipWithout('memcached', 'memcached'),
}, async (t) => {
  await using server = await startServer();
  for (const text of [
    ...numbers,
    ...negatives,
    '5\0a',
    '\t\v5\n',
    '0x10',
    '1e3',
    `${'0'.repeat(40)}3`,
    '5-',
  ]) {
    await t.test(JSON.stringify(text), async () => {
      await using real = await startMemcached();
      const outcomes = await Promise.all(
        [real, server].map(async ({ port }) => {
          const client = await RawClient.connect({ port });
          await client.ask({ opcode: Opcode.set, key: 'n', extras: u32(0, 0), value: text });
          const counted = await client.ask({ opcode: Opcode.increment, key: 'n', extras: counterExtras(3n) });
          const after = await client.ask({ opcode: Opcode.get, key: 'n' });
          await client.close();
          return {
            status: counted.status,
            value: counted.value.toString('hex'),
            stored: after.value.toString(),
          };
        }),
      );
      assert.deepEqual(outcomes[1], outcomes[0]);
    });
  }
});

const broken: { name: string; request: RawRequest }[] = [
  { name: 'GET with extras', request: { opcode: Opcode.get, key: 'a', extras: u32(1) } },
  { name: 'GET with a value', request: { opcode: Opcode.get, key: 'a', value: 'v' } },
  { name: 'GET without a key', request: { opcode: Opcode.get } },
  { name: 'SET without extras', request: { opcode: Opcode.set, key: 'a', value: 'v' } },
  { name: 'DELETE with a value', request: { opcode: Opcode.delete, key: 'a', value: 'v' } },
  { name: 'INCREMENT without extras', request: { opcode: Opcode.increment, key: 'a' } },
  { name: 'TOUCH without extras', request: { opcode: Opcode.touch, key: 'a' } },
  { name: 'NOOP with a key', request: { opcode: Opcode.noop, key: 'a' } },
  { name: 'FLUSH with eight bytes of extras', request: { opcode: Opcode.flush, extras: u32(0, 0) } },
  { name: 'a key of 251 bytes', request: { opcode: Opcode.get, key: 'k'.repeat(251) } },
  { name: 'a key longer than the body', request: { opcode: Opcode.get, key: 'long enough', totalBody: 3 } },
  { name: 'QUIT with a key', request: { opcode: Opcode.quit, key: 'a' } },
  { name: 'QUIT', request: { opcode: Opcode.quit } },
  { name: 'QUITQ', request: { opcode: Opcode.quitq } },
];

test('requests that end the connection end it alike, with the same last answer', {
  skip: skipWithout('memcached', 'memcached'),
}, async (t) => {
  await using real = await startMemcached();
  await using server = await startServer();
  for (const { name, request } of broken) {
    await t.test(name, async () => {
      const outcomes = await Promise.all(
        [real, server].map(async ({ port }) => {
          const client = await RawClient.connect({ port });
          client.send(request);
          await client.ended;
          return client.unread.toString('latin1');
        }),
      );
      assert.equal(outcomes[1], outcomes[0]);
    });
  }
});

test('the largest item that fits is the same size, and too large a SET removes what was there', {
  skip: skipWithout('memcached', 'memcached'),
}, async () => {
  await using real = await startMemcached();
  await using server = await startServer();
  const outcomes = await Promise.all(
    [real, server].map(async ({ port }) => {
      const client = await RawClient.connect({ port });
      const statuses: number[] = [];
      for (const flag of [0, 7]) {
        for (let size = 1024 * 1024 - 70; size < 1024 * 1024 - 50; size += 1) {
          const stored = { key: 'big', extras: u32(flag, 0) };
          await client.ask({ opcode: Opcode.set, ...stored, value: 'small' });
          const { status } = await client.ask({ opcode: Opcode.set, ...stored, value: Buffer.alloc(size) });
          statuses.push(status, (await client.ask({ opcode: Opcode.getk, key: 'big' })).status);
        }
      }
      await client.close();
      return statuses;
    }),
  );
  assert.deepEqual(outcomes[1], outcomes[0]);
  assert.ok(outcomes[0]?.includes(0) && outcomes[0].includes(3));
});
