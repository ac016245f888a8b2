import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connect, InvalidArgumentError, StorageError } from '../../lib/index.ts';
import { type Ended, inProcess } from '../faults/elsewhere.mts';
import { Directory } from './embedded.mts';

const FILES = ['data.mdb', 'lock.mdb', 'wake'];
const isRoot = process.geteuid?.() === 0;
const asRoot = { skip: !isRoot && 'needs root' };
const onLinux = { skip: process.platform !== 'linux' && 'needs /proc' };
const hasLimits = spawnSync('prlimit', ['--version']).status === 0;
const withLimits = { skip: onLinux.skip || (!hasLimits && 'needs prlimit') };
const asRootWithLimits = { skip: asRoot.skip || withLimits.skip };

function assertEnded(ended: Ended): void {
  assert.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.stderr);
}

const permissions = (path: string): string => (statSync(path).mode & 0o777).toString(8);

/** Files in the directory that this process has open. */
function descriptors(path: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((each) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${each}`);
      return target.startsWith(`${path}/`) ? [target] : [];
    } catch {
      return []; // of the listing itself
    }
  });
}

/** A directory with a database in it that was closed. */
async function closed(): Promise<Directory> {
  const directory = await Directory.make();
  const db = await directory.open();
  await db.upsert('k', 'v');
  await db.close();
  return directory;
}

describe('opening with too little', () => {
  test(
    'descriptors, 0 to 24 of them: it opens, or is one typed error, and later it opens',
    onLinux,
    async () => {
      await using there = await closed();
      await using parent = await Directory.make();
      const ended = await inProcess(
        async ({ evenkeel, say }, { parent, there }) => {
          const fs = require('node:fs') as typeof import('node:fs');
          const openIn = (path: string): number =>
            fs.readdirSync('/proc/self/fd').filter((each: string) => {
              try {
                return fs.readlinkSync(`/proc/self/fd/${each}`).startsWith(path);
              } catch {
                return false;
              }
            }).length;
          for (let left = 0; left <= 24; left += 1) {
            for (const path of [`${parent}/new-${left}`, there]) {
              const url = `embedded://${path}` as const;
              const held: number[] = [];
              try {
                for (;;) held.push(fs.openSync('/dev/null', 'r'));
              } catch {}
              for (let i = 0; i < left; i += 1) fs.closeSync(held.pop() as number);
              const outcome = await evenkeel.connect(url).then(
                (db) => db.close().then(() => 'opened'),
                (error) => (error instanceof evenkeel.EvenkeelError ? error.code : String(error)),
              );
              for (const each of held) fs.closeSync(each);
              const open = openIn(path);
              const db = await evenkeel.connect(url);
              await db.upsert('later', 1);
              await db.close();
              say(`${left} ${outcome} ${open}`);
            }
          }
        },
        { parent: parent.path, there: there.path },
        'ulimit -n 120',
      );
      assertEnded(ended);
      const told = ended.lines.map((line) => line.split(' '));
      assert.equal(told.length, 50);
      for (const [left, outcome, open] of told) {
        assert.match(String(outcome), /^(opened|EVENKEEL_\w+)$/, left);
        assert.equal(open, '0', `${left}: ${outcome}`);
      }
      for (const [left, outcome] of told.filter(([left]) => left === '0' || left === '24'))
        assert.equal(outcome === 'opened', left === '24', `${left}: ${outcome}`);
    },
  );

  test('descriptors before anything is loaded: what could not be is loaded later', onLinux, async () => {
    await using there = await closed();
    const all = [0, 1, 3, 6, 9, 12].map((left) =>
      inProcess(
        async ({ evenkeel, say }, { url, left }) => {
          const fs = require('node:fs') as typeof import('node:fs');
          const held: number[] = [];
          try {
            for (;;) held.push(fs.openSync('/dev/null', 'r'));
          } catch {}
          for (let i = 0; i < left; i += 1) fs.closeSync(held.pop() as number);
          const outcome = await evenkeel.connect(url as 'embedded:').then(
            (db) => db.close().then(() => 'opened'),
            (error) => (error instanceof evenkeel.EvenkeelError ? 'typed' : String(error)),
          );
          for (const each of held) fs.closeSync(each);
          const db = await evenkeel.connect(url as 'embedded:');
          say(`${outcome} ${await db.get('k')}`);
          await db.close();
        },
        { url: there.url as string, left },
        'ulimit -n 120',
      ),
    );
    for (const ended of await Promise.all(all)) {
      assertEnded(ended);
      assert.match(ended.lines.join(), /^(opened|typed) v$/);
    }
  });

  test('threads: it is a StorageError, and opens once there are more', asRootWithLimits, async () => {
    await using there = await closed();
    chmodSync(there.path, 0o777);
    for (const name of FILES) chmodSync(join(there.path, name), 0o666);
    const ended = await inProcess(async ({ evenkeel, say, become }, url) => {
      const { spawnSync } = require('node:child_process') as typeof import('node:child_process');
      const { readFileSync } = require('node:fs') as typeof import('node:fs');
      // A user that nobody is: the limit counts all threads of one.
      become(1_000_000 + process.pid);
      const status = readFileSync('/proc/self/status', 'latin1');
      const threads = Number(/^Threads:\s+(\d+)/m.exec(status)?.[1]);
      const limit = (soft: string): void => {
        spawnSync('prlimit', [`--nproc=${soft}:`, `--pid=${process.pid}`]);
      };
      limit(String(threads + 1)); // prlimit itself is one, too
      const outcome = await evenkeel.connect(url as 'embedded:').then(
        () => 'opened',
        (error) => `${error.code} ${error.message}`,
      );
      say(outcome);
      limit('1000');
      const db = await evenkeel.connect(url as 'embedded:');
      say(String(await db.get('k')));
      await db.close();
    }, there.url as string);
    assertEnded(ended);
    assert.match(String(ended.lines[0]), /^EVENKEEL_STORAGE .* threads, which cannot be started$/);
    assert.equal(ended.lines[1], 'v');
  });

  test(
    'address space: it opens, or is one typed error, and opens once there is more',
    withLimits,
    async () => {
      await using there = await closed();
      const ended = await inProcess(async ({ evenkeel, say }, url) => {
        const { spawnSync } = require('node:child_process') as typeof import('node:child_process');
        const { readFileSync } = require('node:fs') as typeof import('node:fs');
        const limit = (soft: string): void => {
          spawnSync('prlimit', [`--as=${soft}:`, `--pid=${process.pid}`]);
        };
        await (await evenkeel.connect('embedded:')).close();
        for (const more of [16, 24, 32, 40, 64, 128]) {
          const status = readFileSync('/proc/self/status', 'latin1');
          const size = Number(/^VmSize:\s+(\d+)/m.exec(status)?.[1]);
          limit(String((size + more * 1024) * 1024));
          const outcome = await evenkeel.connect(url as 'embedded:').then(
            (db) => db.close().then(() => 'opened'),
            (error) => (error instanceof evenkeel.EvenkeelError ? error.code : String(error)),
          );
          limit('unlimited');
          const db = await evenkeel.connect(url as 'embedded:');
          say(`${more} ${outcome} ${await db.get('k')}`);
          await db.close();
        }
      }, there.url as string);
      assertEnded(ended);
      assert.equal(ended.lines.length, 6);
      for (const line of ended.lines) assert.match(line, /^\d+ (opened|EVENKEEL_STORAGE) v$/);
      assert.match(String(ended.lines[0]), /STORAGE/);
      assert.match(String(ended.lines[5]), /opened/);
    },
  );
});

describe('what lies in the place of a file', () => {
  const kinds: Record<string, (path: string, victim: string) => void> = {
    'a symbolic link': (path, victim) => symlinkSync(victim, path),
    'a symbolic link to nothing': (path, victim) => symlinkSync(`${victim}-not-there`, path),
    'a directory': (path) => mkdirSync(path),
    'a FIFO': (path) => {
      assert.equal(spawnSync('mkfifo', [path]).status, 0);
    },
    'a file with several names': (path, victim) => linkSync(victim, path),
    ...(isRoot && {
      'a device': (path: string) => {
        assert.equal(spawnSync('mknod', [path, 'c', '1', '3']).status, 0);
      },
    }),
  };

  for (const [kind, make] of Object.entries(kinds)) {
    test(`is refused when it is ${kind}, and left as it is`, async () => {
      await using directory = await closed();
      const victim = join(directory.path, 'victim');
      const path = join(directory.path, 'in', 'x');
      mkdirSync(join(directory.path, 'in'));
      for (const name of FILES) {
        const inner = join(directory.path, 'in', name);
        writeFileSync(victim, 'A'.repeat(1000));
        rmSync(inner, { force: true, recursive: true });
        make(inner, victim);
        await assert.rejects(connect(`embedded://${join(path, '..')}`), (error: unknown) => {
          assert.ok(error instanceof StorageError, String(error));
          const named = kind.replace(' to nothing', '');
          assert.ok(error.message.includes(`${name} is ${named}`), error.message);
          return true;
        });
        assert.equal(readFileSync(victim, 'latin1'), 'A'.repeat(1000));
        assert.deepEqual(readdirSync(join(directory.path, 'in')), [name]);
        if (process.platform === 'linux') assert.deepEqual(descriptors(directory.path), []);
        rmSync(inner, { recursive: true });
        unlinkSync(victim);
        await (await connect(`embedded://${join(path, '..')}`)).close();
        rmSync(join(directory.path, 'in'), { recursive: true });
        mkdirSync(join(directory.path, 'in'));
      }
    });
  }

  test('is refused when it is another user’s, unless that is allowed', asRoot, async () => {
    await using directory = await closed();
    for (const name of ['', ...FILES]) {
      const path = join(directory.path, name);
      chownSync(path, 12345, 12345);
      for (const options of [{}, { readOnly: true }]) {
        await assert.rejects(directory.open(options), (error: unknown) => {
          assert.ok(error instanceof StorageError, String(error));
          assert.match(error.message, /belongs to another user \(uid 12345, .*allowForeignOwner/);
          return true;
        });
      }
      await (await directory.open({ allowForeignOwner: true })).close();
      await (await directory.open({ allowForeignOwner: true, readOnly: true })).close();
      chownSync(path, 0, 0);
    }
    await (await directory.open()).close();
  });

  test('stays another user’s when root opens it and files are missing', asRoot, async () => {
    for (const missing of [['lock.mdb', 'wake'], FILES]) {
      await using directory = await closed();
      for (const name of ['', ...FILES]) chownSync(join(directory.path, name), 12345, 12345);
      for (const name of missing) rmSync(join(directory.path, name));
      const db = await directory.open({ allowForeignOwner: true });
      await db.upsert('other', 1);
      await db.close();
      for (const name of FILES) {
        const { uid, gid, mode } = statSync(join(directory.path, name));
        assert.deepEqual([uid, gid, mode & 0o777], [12345, 12345, 0o600], name);
      }
    }
  });

  test('may be root’s', asRoot, async () => {
    await using directory = await closed();
    chmodSync(directory.path, 0o755);
    chmodSync(directory.file, 0o644);
    const ended = await inProcess(async ({ evenkeel, say, become }, url) => {
      become(12345);
      const db = await evenkeel.connect(url as 'embedded:', { readOnly: true });
      say(String(await db.get('k')));
      await db.close();
    }, directory.url as string);
    assertEnded(ended);
    assert.deepEqual(ended.lines, ['v']);
  });
});

test(
  'a wake file that cannot be made is a StorageError, and nothing stays open',
  asRootWithLimits,
  async () => {
    await using directory = await closed();
    chmodSync(directory.path, 0o755);
    unlinkSync(join(directory.path, 'wake'));
    for (const name of ['data.mdb', 'lock.mdb']) chmodSync(join(directory.path, name), 0o666);
    const ended = await inProcess(
      async ({ evenkeel, say, become }, { path, url }) => {
        const { readdirSync, readlinkSync } = require('node:fs') as typeof import('node:fs');
        become(12345);
        say(await evenkeel.connect(url as 'embedded:').then(String, (error) => error.code));
        const open = readdirSync('/proc/self/fd').flatMap((each) => {
          try {
            return [readlinkSync(`/proc/self/fd/${each}`)];
          } catch {
            return [];
          }
        });
        say(String(open.filter((each) => each.startsWith(path))));
        await (await evenkeel.connect(url as 'embedded:', { readOnly: true })).close();
      },
      { path: directory.path, url: directory.url as string },
    );
    assertEnded(ended);
    assert.deepEqual(ended.lines, ['EVENKEEL_STORAGE']);
  },
);

describe('permissions', () => {
  const modesOf = async (path: string, umask: number, options: object): Promise<string[]> => {
    const ended = await inProcess(
      async ({ evenkeel }, { path, umask, options }) => {
        process.umask(umask);
        const db = await evenkeel.connect(`embedded://${path}`, options);
        await db.upsert('k', 1);
        await db.close();
      },
      { path, umask, options },
    );
    assertEnded(ended);
    return [path, ...FILES.map((name) => join(path, name))].map(permissions);
  };

  test('are this user’s only, or those that are asked for, whatever the umask', async () => {
    await using directory = await Directory.make();
    const cases: [number, object, string, string][] = [
      [0o000, {}, '700', '600'],
      [0o022, {}, '700', '600'],
      [0o077, { mode: 0o640 }, '750', '640'],
      [0o022, { mode: 0o660 }, '770', '660'],
    ];
    const made = cases.map(([umask, options, ofDirectory, ofFile], i) =>
      modesOf(join(directory.path, `d${i}`), umask, options).then((modes) =>
        assert.deepEqual(modes, [ofDirectory, ofFile, ofFile, ofFile]),
      ),
    );
    await Promise.all(made);
  });

  test('of what is there stay as they are', async () => {
    await using directory = await closed();
    chmodSync(directory.path, 0o755);
    for (const name of FILES) chmodSync(join(directory.path, name), 0o644);
    unlinkSync(join(directory.path, 'wake'));
    await (await directory.open({ mode: 0o660 })).close();
    assert.deepEqual([directory.path, ...FILES.map((name) => join(directory.path, name))].map(permissions), [
      '755',
      '644',
      '644',
      '660',
    ]);
  });

  test('that are none are an InvalidArgumentError', async () => {
    await using directory = await Directory.make();
    for (const mode of [0, 0o400, 0o066, 0o700, 0o1600, 1.5, -1, '600'] as number[]) {
      await assert.rejects(directory.open({ mode }), (error: unknown) => {
        assert.ok(error instanceof InvalidArgumentError, String(error));
        assert.equal(error.context.argument, 'mode');
        return true;
      });
    }
  });
});

test('what was removed or replaced while it is open is not opened again under its name', async () => {
  await using directory = await Directory.make();
  const path = join(directory.path, 'db');
  const url = `embedded://${path}` as const;
  const db = await connect(url);
  await db.upsert('key', 1);
  rmSync(path, { recursive: true });
  const refused = (error: unknown): boolean =>
    error instanceof StorageError && /removed or replaced/.test(error.message);
  await assert.rejects(connect(url), refused);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'data.mdb'), '');
  await assert.rejects(connect(url), refused);
  await db.close();
  rmSync(path, { recursive: true });
  await using again = await connect(url);
  await again.upsert('key', 2);
  await using other = await connect(url);
  assert.equal(await other.get('key'), 2);
});
