import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, mock, test } from 'node:test';
import { promisify } from 'node:util';
import {
  connect,
  type Database,
  defineClass,
  field,
  InvalidArgumentError,
  onNew,
  TimeoutError,
} from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { fakeTimers } from './fakes.mts';
import { onBothBases } from './harness.mts';

const Note = defineClass('Note', {
  key: 'id',
  fields: { id: field.autoid(), text: field.string() },
  events: [onNew()],
});

/** Everything a client does, ended before anybody advances a clock. */
async function useAll(db: Pick<Database, 'get' | 'getMany' | 'schedule' | 'upsert'>): Promise<void> {
  await db.upsert('k', 1);
  assert.equal(await db.get('k'), 1);
  assert.deepEqual(await db.getMany(['k', 'missing']), new Map([['k', 1]]));
  assert.deepEqual(await db.schedule((ctx) => [ctx.get('k'), ctx.exists('missing')]), [1, false]);
  const reason = new Error('given up');
  const aborted = { signal: AbortSignal.abort(reason) };
  await assert.rejects(db.get('k', aborted), reason);
  await assert.rejects(db.getMany(['k'], aborted), reason);
  await assert.rejects(
    db.schedule((ctx) => ctx.get('k', aborted)),
    reason,
  );
  assert.throws(() => db.get(''), InvalidArgumentError);
}

onBothBases('under fake timers', (bases) => {
  test('operations settle, and the client works when timers are real again', async () => {
    await using server = await startServer({ worker: true });
    await using db = await bases.connect(server.url);
    {
      using _ = fakeTimers();
      await useAll(db);
      await using other = await bases.connect(server.url);
      await useAll(other);
    }
    await useAll(db);
  });

  test('deadlines, reconnects and close() go by the clock of the system', async () => {
    await using server = await startServer({ worker: true });
    using _ = fakeTimers();
    await using db = await bases.connect(server.url, { timeout: 50, backoff: { min: 1, max: 2 } });
    const fault = await server.fault({ opcode: 'get', action: { kind: 'hang' } });
    await assert.rejects(db.get('k'), TimeoutError);
    await assert.rejects(db.getMany(['a', 'b']), TimeoutError);
    await fault.remove();
    assert.equal(await db.get('k', { timeout: 60_000 }), undefined);
    await assert.rejects(bases.connect('memcached://127.0.0.1:1', { connectTimeout: 50 }));
  });
});

describe('an embedded database under fake timers', () => {
  test('commits, tells of it, expires and closes; it works when timers are real again', async () => {
    await using db = await connect('embedded:', { classes: [Note] });
    const notes = db.records(Note);
    const told: string[] = [];
    const subscription = await db.events.on(Note, ['new'], ({ after }) => void told.push(after.text));
    {
      using _ = fakeTimers();
      await useAll(db);
      await notes.insert({ text: 'one' });
      await db.transaction((tx) => tx.records(Note).insert({ text: 'two' }));
      assert.equal(await notes.find().count(), 2);
      await subscription.caughtUp();
      assert.deepEqual(told, ['one', 'two']);
      const other = await connect('embedded:', { classes: [Note] });
      await other.records(Note).insert({ text: 'other' }, { ttl: 100 });
      await other.close();
    }
    await useAll(db);
    await notes.insert({ text: 'three' });
    await subscription.caughtUp();
    assert.deepEqual(told, ['one', 'two', 'three']);
  });

  test("goes by the system's time, not by a fake Date", async () => {
    await using db = await connect('embedded:');
    using _ = fakeTimers();
    await db.upsert('k', 1, { ttl: 100 });
    assert.equal(await db.get('k'), 1);
  });
});

test('the mock timers of node:test are no more than that', async () => {
  await using server = await startServer({ worker: true });
  await using db = await connect(server.url);
  await using embedded = await connect('embedded:');
  mock.timers.enable();
  try {
    await useAll(db);
    await useAll(embedded);
  } finally {
    mock.timers.reset();
  }
  await useAll(db);
  await useAll(embedded);
});

test('operations settle when even the package was loaded under fake timers', async () => {
  await using server = await startServer();
  const root = join(import.meta.dirname, '../..');
  const program = `
    const never = () => ({ unref() {}, ref() {} });
    for (const object of [globalThis, require('node:timers')])
      for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']) object[name] = never;
    process.nextTick = never;
    (async () => {
      const db = await require('evenkeel').connect(process.argv[1]);
      await db.upsert('k', 'v');
      console.log(await db.get('k'));
      await db.close();
    })();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program, server.url], {
    cwd: root,
    timeout: 600_000,
  });
  assert.equal(stdout, 'v\n');
});

const READ_AT_ITS_CALL =
  /(?<![.\w#'"])(setTimeout|clearTimeout|setInterval|clearInterval|setImmediate|clearImmediate|queueMicrotask)\(|process\.nextTick|Date\.now|performance\.now|Math\.random|node:timers|node:perf_hooks/g;

test('lib/ takes timers and clocks from platform.ts', () => {
  const lib = join(import.meta.dirname, '../../lib');
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' });
  const found = files
    .filter((file) => file.endsWith('.ts') && file !== 'platform.ts')
    .flatMap((file) => {
      const source = readFileSync(join(lib, file), 'utf8');
      const imported = /import \{([^}]*)\} from '[./]+\/platform'/.exec(source)?.[1]?.split(/[\s,]+/) ?? [];
      const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
      return [...code.matchAll(READ_AT_ITS_CALL)]
        .filter(([_, name]) => name === undefined || !imported.includes(name))
        .map(([text]) => `${file}: ${text}`);
    });
  assert.deepEqual(found, []);
});
