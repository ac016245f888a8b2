import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/cli/main.js');
const tsc = join(root, 'node_modules/typescript/bin/tsc');
// Inside the package, so that what is printed there resolves the package's name.
const folder = join(root, 'build-ddl', String(process.pid));

const SCHEMA = `#define NAME char<20>
struct Id { uint4 site; uint2 number; };
declare database plant;
declare oid Id[1000];
enum State { idle, running, stopped };
struct Limit { float low; float high; nullable NAME reason; };
compact class Machine {
  autoid[100];
  oid;
  NAME name;
  State state;
  optional Limit temperature;
  vector<Limit> limits;
  uint1 serial[8];
  blob manual;
  unique tree<name> byName;
  nonunique hash<state> byState[10];
  event <new> new;
  event <update> changed;
  event <state update> switched;
  event <delete_all> cleared;
};
class class_ {
  ref machine;
  signed<8> count;
  datetime at;
  unique tree<at desc, count> delete;
  event <checkpoint> checked;
  TTL_clock_time 250 us;
};
class Date { autoid_t<Machine> of; list; };
`;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], input = ''): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { cwd: root }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

before(() => mkdir(folder, { recursive: true }));
after(() => rm(folder, { recursive: true, force: true }));

describe('evenkeel ddl', () => {
  it('prints TypeScript that compiles, and warnings apart', async () => {
    const file = join(folder, 'plant.mco');
    const module = join(folder, 'plant.mts');
    await writeFile(file, SCHEMA);
    const { code, stdout, stderr } = await run([main, 'ddl', file]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      stderr
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(file, 'FILE').replace(/ class \w+ .*/, '')),
      ['FILE:7:15: warning:', 'FILE:31:7: warning:'],
    );
    const use = `
      import type { EventNames, InsertOf, KeyOf } from 'evenkeel';
      export const machine: InsertOf<typeof Machine> = { site: 1, number: 2, name: 'press', state: 'idle',
        limits: [{ low: 0, high: 1 }], serial: [1, 2, 3, 4, 5, 6, 7, 8], manual: new Uint8Array(1) };
      export const key: KeyOf<typeof class_> = [new globalThis.Date(), 1n];
      export const name: EventNames<typeof Machine> = 'switched';`;
    await writeFile(module, `${stdout}${use}\n`);
    const compilerOptions = { strict: true, noUnusedLocals: true, noEmit: true, target: 'es2022' };
    const project = {
      compilerOptions: { ...compilerOptions, module: 'node20', types: ['node'], skipLibCheck: true },
      files: [module],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(project));
    const compiled = await run([tsc, '-p', folder]);
    assert.equal(compiled.code, 0, compiled.stdout);
  });

  it('reads from stdin', async () => {
    const { code, stdout, stderr } = await run([main, 'ddl', '-'], SCHEMA);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^export const Machine = defineClass\('Machine', \{$/m);
    assert.match(stderr, /^<stdin>:7:15: warning: /);
  });

  it('says where a schema is wrong, and nothing on stdout', async () => {
    const file = join(folder, 'wrong.mco');
    await writeFile(file, SCHEMA.replace('nonunique hash', 'rtree'));
    const { code, stdout, stderr } = await run([main, 'ddl', file]);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.equal(
      stderr,
      `${file}:17:3: an index of type rtree has no counterpart in evenkeel\n    rtree<state> byState[10];\n    ^\n`,
    );
  });

  it('says on one line that there is no file', async () => {
    const { code, stdout, stderr } = await run([main, 'ddl', join(folder, 'nothing.mco')]);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^evenkeel: ENOENT[^\n]*\n$/);
  });
});
