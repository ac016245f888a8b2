import { strict as assert } from 'node:assert';
import { copyFile, cp, readdir, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Consumer, execute, type Outcome, packWithPrebuild, root } from './consumer.mts';

const PACKAGES = [
  'webpack@5',
  'rollup@4',
  '@rollup/plugin-node-resolve@16',
  '@rollup/plugin-commonjs@29',
  '@rollup/plugin-json@6',
  'vite@8',
  '@vercel/ncc@0',
  'postject@1.0.0-alpha.6',
];

const memcached = `
  import { connect } from 'evenkeel';
  import { startServer } from 'evenkeel/testing';
  async function remotely() {
    const server = await startServer();
    const db = await connect(server.url);
    await db.upsert('greeting', 'hello');
    console.log(await db.get('greeting'));
    await db.close();
    await server.close();
  }`;

const BOTH = `
  import { defineClass, field, onNew } from 'evenkeel';
  ${memcached}
  const Note = defineClass('Note', { key: 'id', fields: { id: field.autoid(), text: field.string() }, events: [onNew()] });
  async function locally() {
    const db = await connect('embedded:', { classes: [Note] });
    const feed = db.events.feed(Note);
    await db.records(Note).insert({ text: 'hello' });
    console.log((await feed.next()).value.after.text);
    await db.close();
  }
  remotely().then(locally).catch((error) => {
    console.log(error.code, error.message);
    process.exit(); // the server is still open
  });`;

describe('a program that is bundled', () => {
  let tarball: string;
  let consumer: Consumer;
  let addon: string;

  before(async () => {
    tarball = await packWithPrebuild();
    consumer = await Consumer.create(tarball, ...PACKAGES);
    // The checkout has it, and its binary needs no script.
    for (const name of ['esbuild', '@esbuild']) {
      const link = path.join(consumer.folder, 'node_modules', name);
      await symlink(path.join(root, 'node_modules', name), link, 'dir').catch(() => {});
    }
    await cp(path.join(import.meta.dirname, 'bundle.mjs'), path.join(consumer.folder, 'bundle.mjs'));
    await consumer.write('app.mjs', BOTH);
    const prebuilt = path.join(consumer.installed, 'prebuilds', `${process.platform}-${process.arch}`);
    const [name = ''] = await readdir(prebuilt);
    addon = path.join(consumer.folder, 'copied.node');
    await copyFile(path.join(prebuilt, name), addon);
  });

  after(async () => {
    for (const folder of [consumer.folder, path.dirname(tarball)])
      await rm(folder, { recursive: true, force: true });
  });

  async function bundle(bundler: string, ...external: readonly string[]): Promise<string> {
    const folder = path.join(
      consumer.folder,
      'bundles',
      `${bundler} ${external.length}`.replaceAll(/\W+/g, '-'),
    );
    const { code, output } = await consumer.node(['bundle.mjs', bundler, folder, ...external]);
    assert.equal(code, 0, output);
    return output.trim().split('\n').at(-1) ?? '';
  }

  function succeeds({ code, output }: Outcome): void {
    assert.equal(code, 0, output);
    assert.equal(output, 'hello\nhello\n');
  }

  for (const bundler of ['esbuild', 'esbuild, as a module', 'webpack', 'rollup', 'vite', 'ncc']) {
    test(`by ${bundler} runs with evenkeel external`, async () => {
      const file = await bundle(bundler, 'evenkeel', 'evenkeel/testing');
      succeeds(await consumer.node([file]));
    });

    test(`by ${bundler} runs with lmdb external and EVENKEEL_ADDON_PATH`, async () => {
      const file = await bundle(bundler, 'lmdb');
      succeeds(await consumer.node([file], { EVENKEEL_ADDON_PATH: './copied.node' }));
      const { output } = await consumer.node([file]);
      assert.match(output, /EVENKEEL_UNSUPPORTED .*\nThis is a bundle.*EVENKEEL_ADDON_PATH/);
    });
  }

  test('into a single executable runs with EVENKEEL_ADDON_PATH', {
    skip: process.platform !== 'linux',
  }, async () => {
    await consumer.write('app.mjs', `${memcached}\n remotely();`);
    const main = await bundle('esbuild', 'lmdb', 'evenkeel/never');
    await consumer.write('sea.json', JSON.stringify({ main, output: 'sea.blob' }));
    const blob = await consumer.node(['--experimental-sea-config', 'sea.json']);
    assert.equal(blob.code, 0, blob.output);
    const executable = path.join(consumer.folder, 'app');
    await copyFile(process.execPath, executable);
    const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
    const postject = path.join('node_modules', 'postject', 'dist', 'cli.js');
    const injected = await consumer.node([
      postject,
      executable,
      'NODE_SEA_BLOB',
      'sea.blob',
      '--sentinel-fuse',
      fuse,
    ]);
    assert.equal(injected.code, 0, injected.output);
    const environment = { ...consumer.environment, EVENKEEL_ADDON_PATH: addon };
    const { code, output } = await execute(executable, [], consumer.folder, environment);
    assert.equal(code, 0, output);
    assert.match(output, /^hello$/m);
  });

  test('without the binary of lmdb is told what has to lie beside it', async () => {
    const hidden = path.join(consumer.folder, 'hidden');
    await consumer.write(
      'local.mjs',
      `
      import { connect } from 'evenkeel';
      connect('embedded:').catch((error) => console.log(error.name, error.message));`,
    );
    await rename(path.join(consumer.folder, 'node_modules', '@lmdb'), hidden);
    const { output } = await consumer.node(['local.mjs']);
    await rename(hidden, path.join(consumer.folder, 'node_modules', '@lmdb'));
    assert.match(output, /^UnsupportedError .*\n.*@lmdb.*Next\.js.*outputFileTracingIncludes/);
  });
});
