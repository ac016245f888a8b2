import { strict as assert } from 'node:assert';
import { cp, mkdir, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type BuildOptions, build } from 'esbuild';
import {
  Consumer,
  cleanEnvironment,
  execute,
  type Outcome,
  pack,
  packWithPrebuild,
  root,
} from './consumer.mts';

const roundTrip = `
  const server = await startServer();
  const db = await connect(server.url);
  try {
    await db.upsert('greeting', 'hello');
    console.log(await db.get('greeting'));
  } finally {
    await db.close();
    await server.close();
  }`;

const embedded = `
  const Note = defineClass('Note', { key: 'id', fields: { id: field.autoid(), text: field.string() }, events: [onNew()] });
  const db = await connect('embedded:', { classes: [Note] });
  const feed = db.events.feed(Note);
  await db.records(Note).insert({ text: 'hello' });
  console.log((await feed.next()).value.after.text);
  await db.close();`;

function succeeds(outcome: Outcome, expected: string): void {
  assert.equal(outcome.code, 0, outcome.output);
  assert.equal(outcome.output.trim(), expected);
}

const tool = (...args: string[]) => execute(process.execPath, args, root, cleanEnvironment());
const inRoot = (...parts: string[]) => path.join(root, ...parts);

describe('the packed package', () => {
  let tarball: string;
  let consumer: Consumer;

  before(async () => {
    tarball = await packWithPrebuild();
    consumer = await Consumer.create(tarball);
  });

  after(async () => {
    await rm(consumer.folder, { recursive: true, force: true });
    await rm(path.dirname(tarball), { recursive: true, force: true });
  });

  test('has the documents and examples that its README names', async () => {
    const readme = await readFile(path.join(consumer.installed, 'README.md'), 'utf8');
    const named = [...readme.matchAll(/\]\(((?:docs|examples)[^)#]*)/g)].map(([, name]) => name as string);
    assert.ok(new Set(named).size >= 5, named.join());
    for (const name of named) await stat(path.join(consumer.installed, name));
  });

  test('loads its prebuilt addon from an ES module', async () => {
    const script = `import { connect } from 'evenkeel';
      import { startServer } from 'evenkeel/testing';
      ${roundTrip}`;
    succeeds(await consumer.run('esm.mjs', script), 'hello');
  });

  test('loads its prebuilt addon from CommonJS', async () => {
    const script = `const { connect } = require('evenkeel');
      const { startServer } = require('evenkeel/testing');
      (async () => {${roundTrip}})();`;
    succeeds(await consumer.run('cjs.cjs', script), 'hello');
  });

  test('has its instrumentation apart, and says what that needs', async () => {
    const made = `try {
      new EvenkeelInstrumentation();
    } catch ({ code }) {
      console.log(code);
    }`;
    const names = '{ EvenkeelInstrumentation }';
    const imported = `import ${names} from 'evenkeel/opentelemetry';${made}`;
    succeeds(await consumer.run('opentelemetry.mjs', imported), 'EVENKEEL_UNSUPPORTED');
    const required = `const ${names} = require('evenkeel/opentelemetry');${made}`;
    succeeds(await consumer.run('opentelemetry.cjs', required), 'EVENKEEL_UNSUPPORTED');
  });

  test('runs the embedded engine, from an ES module and from CommonJS', async () => {
    const names = '{ connect, defineClass, field, onNew }';
    succeeds(await consumer.run('embedded.mjs', `import ${names} from 'evenkeel';${embedded}`), 'hello');
    const required = `const ${names} = require('evenkeel'); (async () => {${embedded}})();`;
    succeeds(await consumer.run('embedded.cjs', required), 'hello');
  });

  test('has one identity for a class however it was imported', async () => {
    const script = `import { createRequire } from 'node:module';
      import * as imported from 'evenkeel';
      const required = createRequire(import.meta.url)('evenkeel');
      const names = Object.keys(required).filter((name) => typeof required[name] === 'function');
      console.log(names.length > 0 && names.every((name) => required[name] === imported[name]));`;
    succeeds(await consumer.run('identity.mjs', script), 'true');
  });

  test('finds itself by name from its own folder', async () => {
    const script =
      "console.log(typeof require('evenkeel').connect, typeof require('evenkeel/testing').startServer)";
    succeeds(await consumer.node(['-e', script], {}, consumer.installed), 'function function');
  });

  test('brings the evenkeel command', async () => {
    const { version } = JSON.parse(await readFile(inRoot('package.json'), 'utf8'));
    succeeds(await consumer.npx('evenkeel', '--version'), version);
  });

  test('has nothing for which a package manager would run a script', async () => {
    const { scripts, gypfile } = JSON.parse(
      await readFile(path.join(consumer.installed, 'package.json'), 'utf8'),
    );
    for (const name of ['preinstall', 'install', 'postinstall']) assert.ok(!(name in scripts), name);
    assert.equal(gypfile, false);
    assert.ok(!(await readdir(consumer.installed)).includes('binding.gyp'));
  });

  for (const [resolution, options] of [
    ['node16', { module: 'node16', lib: ['es2022'] }],
    ['node20', { module: 'node20' }],
    ['bundler', { module: 'esnext', moduleResolution: 'bundler' }],
  ] as const) {
    test(`type checks under ${resolution} resolution`, async () => {
      await lendTypes(consumer);
      const source = `import { connect, defineClass, EvenkeelError, field, onNew, type Database } from 'evenkeel';
        import { startServer } from 'evenkeel/testing';
        export async function greet(): Promise<string | undefined> {
          const server = await startServer();
          const db: Database = await connect(server.url);
          try {
            await db.upsert('greeting', 'hello');
            return await db.get<string>('greeting');
          } catch (error) {
            if (error instanceof EvenkeelError) return error.code;
            throw error;
          }
        }
        const User = defineClass('User', {
          key: 'id',
          fields: { id: field.autoid(), name: field.string() },
          events: [onNew()],
        });
        export async function join(name: string): Promise<bigint> {
          const db = await connect('embedded:', { classes: [User] });
          await db.events.on(User, ['new'], ({ after }) => console.log(after.name));
          // @ts-expect-error: the name is no number.
          await db.records(User).insert({ name: 1 });
          return (await db.records(User).insert({ name })).id;
        }
        // @ts-expect-error: an unknown name must not become any.
        import { nothing } from 'evenkeel';
        void nothing;`;
      const compilerOptions = {
        target: 'es2022',
        lib: ['es2023', 'esnext.disposable'],
        ...options,
        strict: true,
        noEmit: true,
        types: ['node'],
      };
      const project = `tsconfig.${resolution}.json`;
      await consumer.write(project, JSON.stringify({ compilerOptions, files: ['typed.mts', 'typed.cts'] }));
      await consumer.write('typed.mts', source);
      await consumer.write('typed.cts', source);
      succeeds(await consumer.node([inRoot('node_modules', 'typescript', 'bin', 'tsc'), '-p', project]), '');
    });
  }

  test('stays outside an esbuild bundle that declares it external', async () => {
    await consumer.write(
      'app.mts',
      `import { connect } from 'evenkeel';
      import { startServer } from 'evenkeel/testing';
      ${roundTrip}`,
    );
    const bundle = await bundled(consumer, 'app.mts', 'external.mjs', {
      format: 'esm',
      external: ['evenkeel'],
    });
    succeeds(await consumer.node([bundle]), 'hello');
  });

  test('can be bundled whole when EVENKEEL_ADDON_PATH names the addon', async () => {
    await consumer.write(
      'app.ts',
      `import { connect } from 'evenkeel';
      import { startServer } from 'evenkeel/testing';
      (async () => {${roundTrip}})();`,
    );
    const bundle = await bundled(consumer, 'app.ts', 'whole/deep/app.cjs', { format: 'cjs' });
    const addon = path.join(consumer.folder, 'whole', 'evenkeel.node');
    await cp(await prebuilt(consumer), addon);
    succeeds(await consumer.node([bundle], { EVENKEEL_ADDON_PATH: addon }), 'hello');
  });

  test('imports on Windows and refuses at the first use', async () => {
    const script = `Object.defineProperty(process, 'platform', { value: 'win32' });
      const { connect, UnsupportedError } = require('evenkeel');
      connect('memcached://127.0.0.1:1').then(
        () => console.log('connected'),
        (error) => console.log(error instanceof UnsupportedError, /win32/.test(error.message)),
      );`;
    succeeds(await consumer.run('windows.cjs', script), 'true true');
  });

  test('satisfies publint', async () => {
    const { code, output } = await tool(
      inRoot('node_modules', 'publint', 'src', 'cli.js'),
      'run',
      tarball,
      '--strict',
    );
    assert.equal(code, 0, output);
  });

  test('has types that match its modules under every resolution Node 20 knows', async () => {
    const attw = inRoot('node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js');
    const { code, output } = await tool(attw, tarball, '--profile', 'node16', '--no-color');
    assert.equal(code, 0, output);
  });
});

describe('the package without a prebuilt addon', () => {
  let consumer: Consumer;
  const connecting = `const { connect, UnsupportedError } = require('evenkeel');
    const { startServer } = require('evenkeel/testing');
    (async () => {${roundTrip}})().catch((error) => {
      console.log(error instanceof UnsupportedError ? error.message : error);
      process.exit(); // the server is still open
    });`;

  before(async () => {
    const tarball = await pack();
    consumer = await Consumer.create(tarball);
    await rm(path.dirname(tarball), { recursive: true, force: true });
    await rm(path.join(consumer.installed, 'prebuilds'), { recursive: true, force: true });
  });

  after(() => rm(consumer.folder, { recursive: true, force: true }));

  test('says at the first use what is missing, and its command works with install scripts disabled', async () => {
    const { output } = await consumer.run('missing.cjs', connecting);
    assert.ok(output.includes(`${process.platform} ${process.arch}`), output);
    assert.match(output, /glibc \d|musl|system libc/);
    const command = /npm (run build:native --prefix) "(.+)"/.exec(output);
    assert.ok(command?.[1] && command[2], output);

    const full = { PATH: process.env.PATH, npm_config_ignore_scripts: 'true' };
    const build = await consumer.npm([...command[1].split(' '), command[2]], full);
    assert.equal(build.code, 0, build.output);
    succeeds(await consumer.run('built.cjs', connecting), 'hello');
  });

  test('names the file that EVENKEEL_ADDON_PATH points to when that cannot be loaded', async () => {
    const { output } = await consumer.run('explicit.cjs', connecting, {
      EVENKEEL_ADDON_PATH: './absent.node',
    });
    assert.match(output, /EVENKEEL_ADDON_PATH.*absent\.node/);
  });
});

/** Node's own types come from the checkout: the consumer then needs no further package. */
async function lendTypes(consumer: Consumer): Promise<void> {
  for (const name of ['@types/node', 'undici-types']) {
    const link = path.join(consumer.folder, 'node_modules', name);
    await mkdir(path.dirname(link), { recursive: true });
    if (!(await stat(link).catch(() => undefined))) await symlink(inRoot('node_modules', name), link, 'dir');
  }
}

async function bundled(
  consumer: Consumer,
  entry: string,
  out: string,
  options: BuildOptions,
): Promise<string> {
  const outfile = path.join(consumer.folder, out);
  const entryPoints = [path.join(consumer.folder, entry)];
  await build({ entryPoints, outfile, bundle: true, platform: 'node', logLevel: 'silent', ...options });
  return outfile;
}

async function prebuilt(consumer: Consumer): Promise<string> {
  const folder = path.join(consumer.installed, 'prebuilds', `${process.platform}-${process.arch}`);
  const [name] = await readdir(folder);
  assert.ok(name);
  return path.join(folder, name);
}
