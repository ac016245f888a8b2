import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { skipWithout } from '../conformance/tool.mts';
import {
  assertNothingLeft,
  type Model,
  models,
  type OpenDatabase,
  open,
  randomOf,
  until,
} from './harness.mts';
import { Load, type Share } from './load.mts';
import { RemoteServer, skipWithoutNamespaces } from './partition.mts';
import type { Weather } from './proxy.mts';
import { ServerProcess, type Victim, WeatheredServer } from './servers.mts';

after(assertNothingLeft);

/** Of operations on the server that is in trouble; those of the others have all the time of a slow machine. */
const SHORT = 400;
const PATIENT = 60_000;

const BACKOFF = { min: 20, max: 200 };

/** A fleet of the victim and two other servers, with operations under way on all three. */
class Rig implements AsyncDisposable {
  readonly opened: OpenDatabase;
  readonly load: Load;
  readonly #others: readonly ServerProcess[];

  private constructor(opened: OpenDatabase, load: Load, others: readonly ServerProcess[]) {
    this.opened = opened;
    this.load = load;
    this.#others = others;
  }

  /** `timeout`: in ms, of the operations on the victim. */
  static async start(victim: Victim, model: Model, timeout = SHORT): Promise<Rig> {
    const others = await Promise.all([ServerProcess.start(), ServerProcess.start()]);
    const names = [victim, ...others].map(({ name }) => name);
    const opened = await open(`memcached://${names.join(',')}`, model, {
      connectTimeout: SHORT,
      silenceTimeout: timeout,
      backoff: BACKOFF,
    });
    return new Rig(opened, new Load(opened.db, names, [timeout, PATIENT, PATIENT]), others);
  }

  get victim(): Share {
    return this.load.shares[0] as Share;
  }

  get well(): readonly Share[] {
    return this.load.shares.slice(1);
  }

  /** Those that are well go on, whatever befalls the other one. */
  async othersAdvance(): Promise<void> {
    await Promise.all(this.well.map((share) => share.advance(400, 'a server that is well')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.load.stop();
    await this.opened[Symbol.asyncDispose]();
    await Promise.all(this.#others.map((server) => server[Symbol.asyncDispose]()));
  }
}

interface Trouble<V extends Victim> {
  readonly begin: (victim: V) => unknown;
  /** What its operations fail with, or whether they do. */
  readonly harm: RegExp | 'none' | 'possible';
  readonly end: (victim: V) => unknown;
}

async function befalls<V extends Victim>(victim: V, model: Model, trouble: Trouble<V>): Promise<void> {
  const rig = await Rig.start(victim, model, trouble.harm === 'none' ? PATIENT : SHORT);
  await using _ = rig;
  const { load, victim: share, well } = rig;
  await Promise.all(load.shares.map((each) => each.advance(50, 'before')));
  share.forgets = true;
  await trouble.begin(victim);
  const { harm } = trouble;
  if (harm instanceof RegExp) {
    const isSeen = (): boolean => [...share.failures.keys()].some((message) => harm.test(message));
    await until(isSeen, () => `${harm}: ${JSON.stringify([...share.failures])}`);
  } else {
    await share.advance(100, 'under trouble');
  }
  await rig.othersAdvance();
  await trouble.end(victim);
  await share.advance(100, 'afterwards');
  await load.stop();
  for (const each of load.shares) {
    assert.deepEqual(each.wrong, []);
    assert.equal(each.settled, each.started);
  }
  for (const each of well) assert.deepEqual([...each.failures], [], 'a server that is well');
  if (harm === 'none') assert.deepEqual([...share.failures], []);
}

const troubles: Readonly<Record<string, Trouble<ServerProcess>>> = {
  'is killed, and comes back empty at its port': {
    begin: (server) => server.signal('SIGKILL'),
    harm: /ECONNREFUSED/,
    end: (server) => server.startAgain(),
  },
  'is started again at once': {
    async begin(server) {
      await server.signal('SIGTERM');
      await server.startAgain();
    },
    harm: 'possible',
    end: () => {},
  },
  'is suspended, and goes on': {
    begin: (server) => server.signal('SIGSTOP'),
    harm: /no answer within its deadline|ETIMEDOUT/,
    end: (server) => server.signal('SIGCONT'),
  },
};

const weathers: Readonly<Record<string, readonly [Partial<Weather>, harm: RegExp | 'none']>> = {
  'accepts and says nothing': [{ lost: 1 }, /no answer within its deadline|ETIMEDOUT/],
  'is far away': [{ delayed: 1 }, 'none'],
  'is reached byte by byte': [{ crumbled: 1 }, 'none'],
  'is on a line of 20 kB a second': [{ bytesPerSecond: 20_000 }, 'none'],
  'loses its connections': [{ reset: 0.1 }, /ECONNRESET|closed the connection|EPIPE/],
  'has its connections cut in the middle': [{ cut: 0.1 }, /ECONNRESET|closed the connection|EPIPE/],
};

/** Whatever is done with connections to a server's port, and how many there were. */
class Stranger implements AsyncDisposable {
  accepted = 0;
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  private constructor(receive: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.accepted += 1;
      this.#sockets.push(socket.on('error', () => {}));
      receive(socket);
    });
  }

  static async start(port: number, receive: (socket: Socket) => void): Promise<Stranger> {
    const stranger = new Stranger(receive);
    stranger.#server.listen(port, '127.0.0.1');
    await once(stranger.#server, 'listening');
    return stranger;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** How many attempts to connect the steps of the back-off allow in so many ms. */
function mostAttempts(ms: number): number {
  let attempts = 1;
  // At least half of each pause is not random.
  for (let left = ms, pause = BACKOFF.min; left > 0; pause = Math.min(2 * pause, BACKOFF.max)) {
    left -= pause / 2;
    attempts += 1;
  }
  return attempts;
}

const strangers: Readonly<Record<string, (socket: Socket) => void>> = {
  'hangs up': (socket) => socket.destroy(),
  'says nothing': () => {},
  'says something else': (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
};

for (const model of models) {
  const skip = skipWithout('memcached', 'memcached');
  describe(`of three real servers, ${model} base, one`, { skip }, () => {
    for (const [name, trouble] of Object.entries(troubles))
      test(name, async () => {
        await using server = await ServerProcess.start();
        await befalls(server, model, trouble);
      });
    for (const [name, [weather, harm]] of Object.entries(weathers))
      test(name, async () => {
        await using server = await WeatheredServer.start(randomOf(1));
        await befalls(server, model, {
          begin: () => server.setWeather(weather),
          harm,
          end: () => server.setWeather({}),
        });
      });
    test('is cut off from the network, which heals', { skip: skipWithoutNamespaces() }, async () => {
      await using server = await RemoteServer.start();
      await befalls(server, model, {
        begin: () => server.cut(),
        harm: /no answer within its deadline|ETIMEDOUT|EHOSTUNREACH/,
        end: () => server.heal(),
      });
    });
    for (const [name, receive] of Object.entries(strangers))
      test(`is replaced by somebody who ${name}, whom each step of the back-off tries once`, async () => {
        await using server = await ServerProcess.start();
        const rig = await Rig.start(server, model);
        await using _ = rig;
        await rig.victim.advance(50, 'before');
        rig.victim.forgets = true;
        await server.signal('SIGKILL');
        const began = performance.now();
        await using stranger = await Stranger.start(server.port, receive);
        await until(
          () => stranger.accepted >= 8,
          () => `${stranger.accepted} attempts`,
        );
        await rig.othersAdvance();
        const attempts = stranger.accepted;
        const most = mostAttempts(performance.now() - began);
        assert.ok(attempts <= most, `${attempts} attempts, of ${most}`);
        await stranger[Symbol.asyncDispose]();
        await server.startAgain();
        await rig.victim.advance(50, 'afterwards');
        await rig.load.stop();
        for (const share of rig.load.shares) assert.deepEqual(share.wrong, []);
        for (const share of rig.well) assert.deepEqual([...share.failures], []);
      });
  });
}
