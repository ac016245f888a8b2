import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { open as openLmdb } from 'lmdb';
import {
  connect,
  defineClass,
  field,
  index,
  onNew,
  onUpdate,
  SchemaMismatchError,
  StorageError,
  uniqueIndex,
} from '../../lib/index.ts';
import { Directory } from './events-shop.mts';

const child = fileURLToPath(new URL('embedded-child.mjs', import.meta.url));
const Item = defineClass('Item', {
  key: 'id',
  fields: { id: field.uint32(), text: field.string() },
  events: [onNew()],
});

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

async function run(command: string, ...args: string[]): Promise<Ended> {
  const process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  process.stdout.on('data', (data) => {
    output += data;
  });
  process.stderr.on('data', (data) => {
    errors += data;
  });
  const [code, signal] = await once(process, 'close');
  return { code, signal, output: output.trim(), errors };
}

const node = (...args: string[]): Promise<Ended> => run(process.execPath, child, ...args);

async function filled(directory: Directory, count = 2000): Promise<void> {
  const db = await connect(directory.url, { classes: [Item] });
  await db.transaction(async (tx) => {
    for (let id = 0; id < count; id += 1) await tx.records(Item).insert({ id, text: 'x'.repeat(id % 300) });
  });
  await db.close();
}

describe('a directory that cannot be had', () => {
  const refused = (pattern: RegExp) => (error: unknown) =>
    error instanceof StorageError && pattern.test(error.message);

  test('is a StorageError that says why', async () => {
    await using directory = await Directory.make();
    const file = path.join(directory.path, 'file');
    await writeFile(file, 'no directory');
    await assert.rejects(connect(`embedded://${file}`), StorageError);
    await assert.rejects(
      connect(`embedded://${directory.path}/missing`, { readOnly: true }),
      refused(/missing/),
    );
    const garbage = path.join(directory.path, 'garbage');
    await mkdir(garbage);
    await writeFile(path.join(garbage, 'data.mdb'), Buffer.alloc(20_000, 'garbage'));
    await assert.rejects(connect(`embedded://${garbage}`), refused(/corrupt, or no database/));
    const foreign = openLmdb({ path: path.join(directory.path, 'foreign') });
    await foreign.put('key', 'value');
    await foreign.close();
    await assert.rejects(connect(`embedded://${directory.path}/foreign`), refused(/no evenkeel database/));
  });

  test('is one of another format', async () => {
    await using directory = await Directory.make();
    await filled(directory, 1);
    const root = openLmdb({
      path: directory.path,
      maxDbs: 64,
      encoding: 'binary',
      keyEncoding: 'binary',
      overlappingSync: false,
    });
    const meta = root.openDB('meta', { encoding: 'binary', keyEncoding: 'binary' });
    await meta.put(
      Buffer.from('format') as never,
      Buffer.from('{"format":2,"epoch":"000000000000"}') as never,
    );
    await root.close();
    await assert.rejects(connect(directory.url), refused(/format 2, this version reads 1/));
  });

  test('is one that nobody may write', { skip: process.getuid?.() !== 0 && 'needs root' }, async () => {
    await using directory = await Directory.make();
    await filled(directory, 1);
    await chmod(directory.path, 0o755);
    const { code, signal, errors } = await node('user', directory.path);
    assert.deepEqual([code, signal], [1, null]);
    assert.match(errors, /StorageError: .*(cannot be written)/);
  });

  test('has lost its end: that is said, and no process ends of it', async () => {
    await using directory = await Directory.make();
    await filled(directory);
    const { size } = await stat(path.join(directory.path, 'data.mdb'));
    for (const left of [size - 4096, size >> 1, size >> 2, 12_288]) {
      await using damaged = await Directory.make();
      await cp(directory.path, damaged.path, { recursive: true });
      await truncate(path.join(damaged.path, 'data.mdb'), left);
      const { signal, code, errors, output } = await node('open', damaged.path);
      assert.equal(signal, null, `it was ended by ${signal} with ${left} of ${size} bytes`);
      if (code === 0) assert.equal(output, 'items 2000');
      else assert.match(errors, /StorageError: .*corrupt/);
    }
  });
});

test('a full disk rejects what does not fit, keeps what was acknowledged, and the process lives', async () => {
  await using directory = await Directory.make();
  // What is beyond the limit fails as it does on a full disk; without the trap the system would end the process.
  const command = `trap '' XFSZ; ulimit -f 4000; exec "$0" "$@"`;
  const { signal, output, errors } = await run(
    'sh',
    '-c',
    command,
    process.execPath,
    child,
    'fill',
    directory.path,
  );
  assert.equal(signal, null, errors);
  const [code, acknowledged, stored] = output.split(' ');
  assert.equal(code, 'EVENKEEL_STORAGE', errors);
  assert.ok(Number(acknowledged) > 50);
  assert.equal(stored, acknowledged);
  const again = await node('open', directory.path);
  assert.equal(again.output, `items ${acknowledged}`);
});

describe('a process', () => {
  test('may end with a hundred thousand writes under way', async () => {
    for (const when of ['now', 'soon']) {
      await using directory = await Directory.make();
      const { code, signal } = await node('exit', directory.path, when);
      assert.deepEqual([code, signal], [0, null]);
      assert.equal((await node('open', directory.path)).code, 0);
    }
  });

  // Not held: about one run in six ends in a fatal error of the lmdb package, whose transaction is still called in a worker
  // that is being terminated.
  const todo = 'the lmdb package can abort the process when a worker is terminated in the middle of a write';
  test('may terminate workers in the middle of their writes', { todo }, async () => {
    await using directory = await Directory.make();
    const { code, signal, output, errors } = await node('terminate', directory.path, '30');
    assert.deepEqual([code, signal, output], [0, null, 'items true'], errors);
  });

  test('is kept alive by a live subscription, and not by an idle database', async () => {
    await using directory = await Directory.make();
    assert.deepEqual((await node('idle', directory.path)).code, 0);
    assert.equal((await node('live', directory.path)).output, 'alive');
  });

  test('shares its directory with others: nothing is lost', async () => {
    await using directory = await Directory.make();
    const ended = await Promise.all(['1', '2', '3'].map((name) => node('write', directory.path, name)));
    assert.deepEqual(
      ended.map(({ code }) => code),
      [0, 0, 0],
    );
    const db = await connect(directory.url, { classes: [Item] });
    assert.equal(await db.records(Item).find().count(), 1500);
    await db.close();
  });

  test('leaves no temporary database behind, closed or not', async () => {
    await using directory = await Directory.make();
    const { code, errors } = await run(
      'env',
      `TMPDIR=${directory.path}`,
      process.execPath,
      child,
      'temporary',
    );
    assert.equal(code, 0, errors);
    assert.deepEqual(await readdir(directory.path), []);
  });
});

describe('a class that is not as it is stored', () => {
  const define = (more: Partial<Parameters<typeof defineClass>[1]> = {}) =>
    defineClass('Item', { key: 'id', fields: Item.fields, events: [onNew()], ...more } as never);
  const mismatch = (pattern: RegExp) => (error: unknown) =>
    error instanceof SchemaMismatchError && error.context.class === 'Item' && pattern.test(error.message);

  test('is refused, by what is wrong', async () => {
    await using directory = await Directory.make();
    await filled(directory, 10);
    const { id, text } = Item.fields;
    for (const [definition, problem] of [
      [define({ fields: { id } }), /the field text is missing/],
      [define({ fields: { id, text: field.bytes() } }), /the field text is another/],
      [define({ fields: { id, text, more: field.uint8() } }), /the new field more is not optional/],
      [define({ key: ['id', 'text'] } as never), /its key is another/],
      [define({ events: [] }), /the event Item.new is missing/],
      [define({ ttl: { age: 1 } }), /its Time-To-Live is another/],
    ] as const)
      await assert.rejects(connect(directory.url, { classes: [definition] }), mismatch(problem));
    const db = await connect(directory.url, { classes: [Item] });
    assert.equal(await db.records(Item).find().count(), 10);
    await db.close();
  });

  test('may have more optional fields, indexes and events: records stay, indexes are built', async () => {
    await using directory = await Directory.make();
    await filled(directory, 1200);
    const Wider = defineClass('Item', {
      key: 'id',
      fields: { id: field.uint32(), note: field.optional(field.string()), text: field.string() },
      indexes: { byText: index('text'), byNote: uniqueIndex('note') },
      events: [onNew(), onUpdate()],
    });
    const progress: string[] = [];
    const db = await connect(directory.url, {
      classes: [Wider],
      onProgress: ({ index: name, done, total }) => progress.push(`${name} ${done}/${total}`),
    });
    assert.ok(progress.includes('byText 500/1200') && progress.includes('byNote 1200/1200'), progress.join());
    const items = db.records(Wider);
    assert.deepEqual(
      (await items.find({ index: 'byText', equals: 'xxx' }).all()).map((each) => each.id),
      [3, 303, 603, 903],
    );
    await items.update(3, { note: 'first' });
    await assert.rejects(items.update(4, { note: 'first' }), { code: 'EVENKEEL_KEY_EXISTS' });
    await db.close();
    await assert.rejects(connect(directory.url, { classes: [Item] }), SchemaMismatchError);
    const without = await connect(directory.url);
    assert.deepEqual(
      without.classes.map(({ name }) => name),
      ['Item'],
    );
    await without.close();
  });

  test('cannot have a unique index that its records do not keep; everything stays as it was', async () => {
    await using directory = await Directory.make();
    await filled(directory, 400);
    const unique = define({ indexes: { byText: uniqueIndex('text') } } as never);
    await assert.rejects(
      connect(directory.url, { classes: [unique] }),
      mismatch(/two records have the same value/),
    );
    const db = await connect(directory.url, { classes: [Item] });
    await db.records(Item).insert({ id: 5000, text: 'still' });
    await db.close();
  });
});
