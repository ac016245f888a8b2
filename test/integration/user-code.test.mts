import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import type { Database } from '../../lib/database.ts';
import { EvenkeelError } from '../../lib/errors.ts';
import type { EventBase } from '../../lib/event-base/event-base.ts';
import { startServer, type TestServer } from '../../lib/testing/index.ts';
import type { RecordResult } from '../../lib/transactions/results.ts';
import type { Transcoder } from '../../lib/transactions/transcoder.ts';
import { openBase, turn } from '../faults/harness.mts';
import { Directory } from './embedded.mts';

// Code of the user's that is called in the middle of something, and what it may do there. Whatever that is, every operation
// settles once, with its own answer or a typed error.

const KEYS = Array.from({ length: 24 }, (_, i) => `key-${i}`);
const LARGE = 40_000;
const textOf = (key: string): string =>
  key.endsWith('7') ? `${key}:`.padEnd(LARGE, key) : `value of ${key}`;
const TRIGGER = 'trigger';

/** What is done at the hook, once. */
interface Scene {
  readonly db: Database;
  readonly base: EventBase;
  readonly controller: AbortController;
  /** What operations begun at the hook become. */
  readonly begun: Promise<unknown>[];
  readonly data: Buffer | undefined;
}

const failure = new Error('of the user');
const attempt = (scene: Scene, start: () => Promise<unknown>): void => {
  try {
    const outcome = start();
    outcome.catch(() => {});
    scene.begun.push(outcome);
  } catch (error) {
    assert.ok(error instanceof EvenkeelError, String(error));
  }
};

const actions: Record<string, (scene: Scene) => void> = {
  'closes the base': ({ base }) => void base.close(),
  'closes the database': ({ db }) => void db.close({ timeout: 0 }),
  'closes the base, then the database': ({ base, db }) => {
    void base.close();
    void db.close();
  },
  'begins operations': (scene) => {
    for (const key of KEYS) attempt(scene, () => scene.db.get(key));
    attempt(scene, () => scene.db.getMany(KEYS));
    attempt(scene, () => scene.db.upsert('other', 'x'));
  },
  'schedules and flushes': (scene) => {
    attempt(scene, () => scene.db.schedule((ctx) => KEYS.map((key) => ctx.get(key))));
    scene.db.flush();
  },
  'begins operations and closes the base': (scene) => {
    for (const key of KEYS) attempt(scene, () => scene.db.get(key));
    scene.db.flush();
    void scene.base.close();
    for (const key of KEYS) attempt(scene, () => scene.db.get(key));
  },
  'aborts other operations': ({ controller }) => controller.abort(failure),
  'takes the memory of its value away': ({ data }) => {
    if (data !== undefined) structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
  },
  throws: () => {
    throw failure;
  },
  'throws what nobody may look at': () => {
    const trap = (): never => {
      throw failure;
    };
    throw new Proxy(new Error(), { has: trap, get: trap, getPrototypeOf: trap });
  },
};

/** Has `act` called where its name says, while the operations of `start` are under way. */
interface Hook {
  readonly transcoder?: (act: (data?: Buffer) => void) => Transcoder;
  start(db: Database, act: () => void, versions: Versions): (() => Promise<unknown>)[];
}

const encode: Transcoder['encode'] = (value) => ({ data: String(value), flags: 7 });
const decoding = (act: (data?: Buffer) => void): Transcoder => ({
  encode,
  decode: (data) => {
    const text = data.toString();
    if (text === TRIGGER) act(data);
    return text;
  },
});

const hooks: Record<string, Hook> = {
  'decode of get': { transcoder: decoding, start: (db) => [() => db.get(TRIGGER)] },
  'decode of getRecord': {
    transcoder: decoding,
    start: (db, _, versions) => [
      () =>
        db
          .getRecord(TRIGGER)
          .then((record) =>
            assert.deepEqual(
              [record?.value, record?.cas, record?.flags],
              [TRIGGER, versions.get(TRIGGER), 7],
            ),
          ),
    ],
  },
  'decode of getAndTouch': {
    transcoder: decoding,
    start: (db) => [() => db.getAndTouch(TRIGGER, { ttl: 100 })],
  },
  'decode of getMany': {
    transcoder: decoding,
    start: (db) => [() => db.getMany(['key-1', TRIGGER, 'key-2'])],
  },
  'decode of a large value': { transcoder: decoding, start: (db) => [() => db.get('large-trigger')] },
  'the then of what decode returned': {
    transcoder: (act) => ({
      encode,
      decode: (data) => {
        const text = data.toString();
        if (text !== TRIGGER) return text;
        return {
          // biome-ignore lint/suspicious/noThenProperty: that is what this is about
          get then(): undefined {
            act(data);
            return undefined;
          },
        };
      },
    }),
    start: (db) => [() => db.get(TRIGGER)],
  },
  encode: {
    transcoder: (act) => ({
      encode: (value) => {
        if (value === TRIGGER) act();
        return encode(value);
      },
      decode: (data) => data.toString(),
    }),
    start: (db) => [() => db.upsert('another', TRIGGER)],
  },
  'a getter of the options': {
    start: (db, act) => [
      () =>
        db.get('key-3', {
          get timeout() {
            act();
            return 5000;
          },
        }),
    ],
  },
  'an iterator of keys': {
    start: (db, act) => [
      () =>
        db.getMany(
          (function* () {
            yield 'key-4';
            act();
            yield 'key-5';
          })(),
        ),
    ],
  },
  'the removal of an abort listener': {
    start: (db, act) => {
      const { signal } = new AbortController();
      signal.removeEventListener = () => act();
      return [() => db.get('key-6', { signal })];
    },
  },
  'the adding of an abort listener': {
    start: (db, act) => {
      const { signal } = new AbortController();
      signal.addEventListener = () => act();
      return [() => db.get('key-8', { signal }), () => db.getMany(['key-8', 'key-9'], { signal })];
    },
  },
  'the reason of a signal': {
    start: (db, act) => {
      const controller = new AbortController();
      Object.defineProperty(controller.signal, 'reason', {
        get() {
          act();
          return failure;
        },
      });
      const { signal } = controller;
      const reads = KEYS.map((key) => () => db.get(key, { signal }));
      return [...reads, async () => controller.abort()];
    },
  },
};

type Versions = ReadonlyMap<string, bigint>;

/** Each of many operations, with what it may resolve to. */
function workload(db: Database, signal: AbortSignal, versions: Versions): (() => Promise<void>)[] {
  const is = (key: string, value: unknown): void => assert.equal(value, textOf(key));
  return KEYS.flatMap((key, i) => [
    () => db.get(key).then((value) => is(key, value)),
    () =>
      db.getRecord(key, i % 3 === 0 ? { signal } : {}).then((record) => {
        const { value, cas, flags } = record as RecordResult<string>;
        is(key, value);
        assert.deepEqual([cas, flags], [versions.get(key), 7]);
      }),
    () => db.exists(`missing-${i}`).then((there) => assert.equal(there, false)),
    () => db.increment(`counter-${i}`, { delta: 0n }).then((count) => assert.equal(count, BigInt(i))),
    () =>
      db.insert(key, 'other').then(
        () => assert.fail(),
        (error) => assert.ok(error instanceof EvenkeelError),
      ),
  ]);
}

/** A user's error is the user's; every other is one of ours. */
function assertExpected(outcome: PromiseSettledResult<unknown>): void {
  if (outcome.status === 'fulfilled') return;
  const { reason } = outcome;
  if (reason === failure) return;
  let isOurs = false;
  try {
    isOurs = reason instanceof EvenkeelError;
  } catch {
    return; // the Proxy
  }
  assert.ok(isOurs, reason);
}

async function play(
  hook: Hook,
  action: (scene: Scene) => void,
  open: Open,
  versions: Versions,
): Promise<void> {
  const controller = new AbortController();
  let scene: Omit<Scene, 'data'> | undefined;
  let calls = 0;
  const act = (data?: Buffer): void => {
    if (scene === undefined || ++calls > 1) return;
    action({ ...scene, data });
  };
  const { db, base } = await open(hook.transcoder?.(act) ?? { encode, decode: (data) => data.toString() });
  scene = { db, base, controller, begun: [] };
  const outcomes: Promise<unknown>[] = [];
  const start = (each: () => Promise<unknown>): void => {
    try {
      outcomes.push(each());
    } catch (error) {
      assertExpected({ status: 'rejected', reason: error });
    }
  };
  for (const each of workload(db, controller.signal, versions)) start(each);
  for (const each of hook.start(db, act, versions)) start(each);
  for (const each of workload(db, controller.signal, versions)) start(each);
  const all = Promise.allSettled(outcomes);
  await turn();
  // A base's thread gathers many answers meanwhile, which are then dealt with in one go.
  if (base.model === 'thread') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  try {
    for (const outcome of await all) assertExpected(outcome);
    for (const outcome of await Promise.allSettled(scene.begun)) assertExpected(outcome);
    assert.ok(calls > 0, 'the hook was not called');
    if (!db.closed && !base.closed) assert.equal(await db.get('key-1'), textOf('key-1'));
  } finally {
    await db.close();
    await base.close();
  }
}

type Open = (transcoder: Transcoder) => Promise<{ readonly db: Database; readonly base: EventBase }>;

async function fill(db: Database): Promise<Versions> {
  const trigger = await db.upsert(TRIGGER, TRIGGER);
  await db.upsert('large-trigger', TRIGGER);
  for (const i of KEYS.keys()) await db.increment(`counter-${i}`, { initial: BigInt(i) });
  const stored = await Promise.all(
    KEYS.map(async (key) => [key, (await db.upsert(key, textOf(key))).cas] as const),
  );
  return new Map([...stored, [TRIGGER, trigger.cas]]);
}

/** Every hook with every action, on what `open` opens; `prepare` fills it. */
function enumerate(open: Open, prepare: () => Promise<Database>): void {
  let versions: Versions;
  before(async () => {
    await using db = await prepare();
    versions = await fill(db);
  });
  for (const [where, hook] of Object.entries(hooks)) {
    for (const [what, action] of Object.entries(actions)) {
      test(`${where} ${what}`, () => play(hook, action, open, versions));
    }
  }
}

for (const model of ['host', 'thread'] as const) {
  describe(`on memcached, ${model} base`, () => {
    let server: TestServer;
    before(async () => {
      server = await startServer({ worker: true });
    });
    after(() => server.close());
    const open: Open = async (transcoder) => {
      const base = openBase(model);
      return { base, db: await connect(server.url, { eventBase: base, transcoder }) };
    };
    enumerate(open, () => connect(server.url, { transcoder: decoding(() => {}) }));
  });
}

describe('on an embedded database', () => {
  let directory: Directory;
  before(async () => {
    directory = await Directory.make();
  });
  after(() => directory[Symbol.asyncDispose]());
  const open: Open = async (transcoder) => {
    const base = openBase('thread');
    return { base, db: (await directory.open({ eventBase: base, transcoder })) as unknown as Database };
  };
  enumerate(
    open,
    async () => (await directory.open({ transcoder: decoding(() => {}) })) as unknown as Database,
  );
});
