import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = path.resolve(
  root,
  process.env.EVENKEEL_ADDON_PATH ?? path.join('build', 'Release', 'evenkeel.node'),
);
const loader = JSON.stringify(path.join(root, 'dist', 'native', 'load.js'));
const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
  version: string;
};

/** What a process of its own prints that loads the addon, or tries to. */
const LOADING = `
  const { loadAddon } = require(${loader});
  function attempt() {
    try {
      return 'loaded ' + loadAddon().version;
    } catch (error) {
      return [error.name, error.code, error.retryable, error.message].join(' ');
    }
  }`;

interface Circumstances {
  /** EVENKEEL_ADDON_PATH. */
  readonly addon?: string | undefined;
  readonly flags?: readonly string[];
  readonly descriptors?: number;
}

async function run(
  script: string,
  { addon, flags = [], descriptors = 1024 }: Circumstances,
): Promise<string> {
  const { EVENKEEL_ADDON_PATH: _, ...inherited } = process.env;
  const env = addon === undefined ? inherited : { ...inherited, EVENKEEL_ADDON_PATH: addon };
  const shell = `ulimit -n ${descriptors} && exec "$0" "$@"`;
  const command = [process.execPath, ...flags, '-e', `${LOADING}\n${script}`];
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', shell, ...command], { cwd: folder, env });
  return stdout.trim();
}

const attempt = (circumstances: Circumstances) => run('console.log(attempt())', circumstances);

const SUCCESS = `loaded ${version}`;
let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'evenkeel-addon-'));
});
after(() => rm(folder, { recursive: true, force: true }));

describe('EVENKEEL_ADDON_PATH', () => {
  test('names the addon by an absolute or a relative path', async () => {
    await cp(built, path.join(folder, 'copy.node'));
    for (const addon of [built, 'copy.node', './copy.node'])
      assert.equal(await attempt({ addon }), SUCCESS, addon);
  });

  test('is loaded where require() knows nothing but what was bundled', async () => {
    const script = `
      const { readFileSync } = require('node:fs');
      const bundled = (id) => {
        if (/^[/]/.test(id) || id.endsWith('.node')) throw new Error('Cannot find module ' + id);
        return require(id.startsWith('.') ? require('node:path').join(${loader}, '..', id) : id);
      };
      const module_ = { exports: {} };
      new Function('exports', 'require', 'module', readFileSync(${loader}, 'utf8'))(module_.exports, bundled, module_);
      console.log(module_.exports.loadAddon().version);`;
    assert.equal(await run(script, { addon: built }), version);
  });

  test('is loaded by each worker, and by each copy of the package in a thread', async () => {
    const script = `
      const { Worker } = require('node:worker_threads');
      const first = attempt();
      delete require.cache[${loader}];
      const again = require(${loader}).loadAddon();
      const base = again.createBase(true, 'second', () => base.close(() => console.log('ended')));
      base.setTimer(1, 1);
      base.ref();
      const source = ${JSON.stringify(LOADING)} + 'require("node:worker_threads").parentPort.postMessage(attempt())';
      new Worker(source, { eval: true }).on('message', (told) => console.log(first, told));`;
    const told = (await run(script, { addon: built })).split('\n').sort();
    assert.deepEqual(told, ['ended', `${SUCCESS} ${SUCCESS}`]);
  });

  const headOf = async (length: number) => Buffer.from((await readFile(built)).subarray(0, length));
  const MACHINE = 18; // where an ELF header has the architecture
  const faults: readonly (readonly [
    what: string,
    content: () => Promise<Buffer | undefined>,
    told: RegExp,
  ])[] = [
    ['does not exist', async () => undefined, /There is no such file/],
    ['is empty', async () => Buffer.alloc(0), /The file is no native addon/],
    ['is a text', async () => Buffer.from('module.exports = 1;'.repeat(9)), /The file is no native addon/],
    ['is cut off', () => headOf(100), /has to name a file of the same version/],
    [
      'was built for another architecture',
      async () => {
        const head = await readFile(built);
        head.writeUInt16LE(243, MACHINE);
        return head;
      },
      /built for riscv64, and this process is/,
    ],
    [
      'was built for a newer C library',
      async () => {
        const image = (await readFile(built)).toString('latin1');
        return Buffer.from(image.replaceAll(/GLIBC_2\.3\d\0/g, 'GLIBC_9.99\0'), 'latin1');
      },
      /needs GLIBC_9\.99, and the C library of this system is older/,
    ],
    [
      'belongs to another addon',
      async () => {
        const lmdb = createRequire(import.meta.url).resolve('lmdb');
        const { resolve } = createRequire(lmdb)('node-gyp-build-optional-packages') as {
          resolve(folder: string): string;
        };
        return readFile(resolve(path.join(path.dirname(lmdb), '..')));
      },
      /not that of evenkeel/,
    ],
  ];
  for (const [what, content, told] of faults) {
    test(`that ${what} is an UnsupportedError that says so`, {
      skip: process.platform !== 'linux',
    }, async () => {
      const file = path.join(folder, `${what.replaceAll(' ', '-')}.node`);
      const bytes = await content();
      if (bytes !== undefined) await writeFile(file, bytes);
      const outcome = await attempt({ addon: file });
      assert.match(
        outcome,
        /^UnsupportedError EVENKEEL_UNSUPPORTED false evenkeel could not load the addon that/,
      );
      assert.match(outcome, told);
      assert.ok(outcome.includes(file), outcome);
    });
  }

  test('that names a folder is an UnsupportedError', async () => {
    await mkdir(path.join(folder, 'folder.node'));
    assert.match(await attempt({ addon: 'folder.node' }), /^UnsupportedError .*EVENKEEL_ADDON_PATH names/);
  });

  test('is refused when it belongs to another version', async () => {
    const image = (await readFile(built)).toString('latin1');
    const other = version.replace(/\d+$/, '9');
    const file = path.join(folder, 'other-version.node');
    await writeFile(file, Buffer.from(image.replaceAll(`\0${version}\0`, `\0${other}\0`), 'latin1'));
    const outcome = await attempt({ addon: file });
    assert.match(outcome, /^UnsupportedError /);
    assert.ok(outcome.includes(`belongs to version ${other} of evenkeel, and this is ${version}`), outcome);
  });
});

describe('an addon that cannot be loaded', () => {
  test('is loaded by a later call when only descriptors were missing', async () => {
    const script = `
      const { closeSync, openSync } = require('node:fs');
      const held = [];
      const hold = () => { try { for (;;) held.push(openSync('/dev/null')); } catch {} };
      hold();
      const without = attempt();
      held.splice(-3).forEach(closeSync); // the loader's own files are read
      const first = attempt();
      held.splice(0).forEach(closeSync);
      console.log(JSON.stringify([without, first, attempt()]));`;
    for (const addon of [undefined, built]) {
      const outcomes = JSON.parse(await run(script, { addon, descriptors: 60 })) as string[];
      assert.match(outcomes[0] ?? '', /^EvenkeelError EVENKEEL_ERROR true .*(EMFILE|too many open files)/i);
      assert.equal(outcomes[2], SUCCESS);
    }
  });

  test('says that --no-addons forbids it', async () => {
    assert.match(await attempt({ flags: ['--no-addons'] }), /^UnsupportedError .*\n.*--no-addons/);
  });

  test('says what the permission model has to allow', async () => {
    const [major] = process.versions.node.split('.').map(Number);
    const flag = (major ?? 0) >= 22 ? '--permission' : '--experimental-permission';
    const outcome = await attempt({ flags: [flag, '--allow-fs-read=*'] });
    assert.match(outcome, /^UnsupportedError .*\n.*--allow-addons/);
  });

  for (const format of ['cjs', 'esm'] as const) {
    test(`says that it is looked for in a bundle (${format})`, async () => {
      const outfile = path.join(folder, 'app', 'dist', `${format}.${format === 'cjs' ? 'cjs' : 'mjs'}`);
      await writeFile(path.join(folder, 'package.json'), '{ "name": "app" }');
      const entryPoints = [path.join(root, 'dist', 'native', 'load.js')];
      await build({ entryPoints, outfile, bundle: true, platform: 'node', format, logLevel: 'silent' });
      const script = `
        import(${JSON.stringify(outfile)}).then(({ default: { loadAddon } }) => {
          try {
            loadAddon();
          } catch (error) {
            console.log(error.name, error.message);
          }
        });`;
      const outcome = await run(script, {});
      assert.match(
        outcome,
        /^UnsupportedError .*\nThis is a bundle.* `evenkeel` external.* EVENKEEL_ADDON_PATH/,
      );
    });
  }
});
