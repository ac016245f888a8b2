import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { ConnectionError } from '../../lib/errors.ts';
import { assertNothingLeft, open, rejection } from './harness.mts';

after(assertNothingLeft);

/** What a server says to a request, of which this is the opaque as it was sent. */
type Answer = (opaque: string, honest: string) => string;

const stored = (key: string): string => `value of ${key}`;

/** A server of the meta protocol; what it says to requests for the key 'struck' is the test's, for so many of them. */
class Liar implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();
  readonly #answer: Answer;
  readonly #server = createServer((socket) => this.#serve(socket));
  #lies: number;

  private constructor(answer: Answer, lies: number) {
    this.#answer = answer;
    this.#lies = lies;
  }

  static async start(answer: Answer, lies: number): Promise<Liar> {
    const liar = new Liar(answer, lies);
    liar.#server.listen(0, '127.0.0.1');
    await once(liar.#server, 'listening');
    return liar;
  }

  get url(): string {
    return `memcached://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How often it has lied. */
  told = 0;

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let rest = '';
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      rest += bytes.toString('latin1');
      for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
        const words = rest.slice(0, end).split(' ');
        const block = words[0] === 'ms' ? Number(words[2]) + 2 : 0;
        if (rest.length < end + 2 + block) return;
        rest = rest.slice(end + 2 + block);
        socket.write(this.#say(words), 'latin1');
      }
    });
  }

  #say(words: readonly string[]): string {
    const [command, key = ''] = words;
    if (command === 'mn') return 'MN\r\n';
    if (command === 'version') return 'VERSION 1.6.18\r\n';
    const opaque = words.at(-1) ?? '';
    const value = stored(key);
    const honest =
      command === 'mg' ? `VA ${value.length} f67108864 ${opaque}\r\n${value}\r\n` : `HD c1 ${opaque}\r\n`;
    if (key !== 'struck' || this.#lies === 0) return honest;
    this.#lies -= 1;
    this.told += 1;
    return this.#answer(opaque, honest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const next = (opaque: string): string => `O${(Number.parseInt(opaque.slice(1), 16) + 1).toString(16)}`;

/** Each ends the connection, whatever it is said to. */
const lies: Readonly<Record<string, Answer>> = {
  'bytes of no protocol': () => '\x81\x00\x00\x00\xff',
  'an answer of the classic protocol': () => 'VALUE struck 0 5\r\nvalue\r\nEND\r\n',
  'the end of a list that has not begun': () => 'END\r\n',
  'an answer to a question of another protocol': () => 'STORED\r\n',
  'an answer without a name': () => 'EN\r\n',
  'a value without a name': () => 'VA 5 f0\r\nvalue\r\n',
  'the name of another request': (opaque) => `VA 5 f0 ${next(opaque)}\r\nvalue\r\n`,
  'a name that is no number': () => 'HD Onobody\r\n',
  'an answer that was not asked for before its own': (_, honest) => `HD Ofedcba9\r\n${honest}`,
  'its answer behind some garbage': (_, honest) => `\r\n${honest}`,
  'a greeting amid operations': () => 'MN\r\nVERSION 1.6.18\r\n',
  'a length that is no number': (opaque) => `VA x ${opaque}\r\nvalue\r\n`,
  'a line that does not end': () => `HD ${'x'.repeat(4096)}`,
};

const liesToReads: Readonly<Record<string, Answer>> = {
  'an answer to another command': (opaque) => `NS ${opaque}\r\n`,
  'a length that is too small': (opaque) => `VA 3 f67108864 ${opaque}\r\nvalue of struck\r\n`,
  'a length that is too large': (opaque) => `VA 16 f67108864 ${opaque}\r\nvalue of struck\r\n`,
  'a length without a value': (opaque) => `VA 15 f67108864 ${opaque}\r\n`,
  'garbage in the place of its end': (opaque) => `VA 15 f67108864 ${opaque}\r\nvalue of struck\n\n`,
};

const liesToWrites: Readonly<Record<string, Answer>> = {
  'an answer to another command': (opaque) => `EN ${opaque}\r\n`,
  'a value': (opaque) => `VA 1 ${opaque}\r\nx\r\n`,
};

const KEYS = ['before', 'struck', 'after', 'later'];
const options = { protocol: 'meta', backoff: { min: 1, max: 5 } } as const;

describe('a client of the meta protocol whose read is answered with', () => {
  for (const [name, answer] of Object.entries({ ...lies, ...liesToReads })) {
    test(`${name} takes nothing of it for anybody's, and reads again`, async () => {
      await using liar = await Liar.start(answer, 2);
      await using opened = await open(liar.url, 'host', options);
      const found = await Promise.all(KEYS.map((key) => opened.db.get(key)));
      assert.deepEqual(found, KEYS.map(stored));
      assert.equal(liar.told, 2);
    });
  }
});

describe('a client of the meta protocol whose write is answered with', () => {
  for (const [name, answer] of Object.entries({ ...lies, ...liesToWrites })) {
    test(`${name} does not know what has become of it, and reads go on`, async () => {
      await using liar = await Liar.start(answer, 1);
      await using opened = await open(liar.url, 'host', options);
      const { db } = opened;
      const [error, found] = await Promise.all([rejection(db.upsert('struck', 'x')), db.get('after')]);
      assert.ok(error instanceof ConnectionError, String(error));
      assert.deepEqual([error.ambiguous, error.context.key], [true, 'struck']);
      assert.equal(found, stored('after'));
      await db.upsert('struck', 'x');
    });
  }
});
