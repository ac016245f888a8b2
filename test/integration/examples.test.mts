import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const loader = new URL('../../scripts/compiled-lib.mjs', import.meta.url).href;

/** Runs an example the way its first line says, over the compiled library: what it printed. */
async function run(name: string): Promise<string[]> {
  const args = ['--import', 'tsx', '--import', loader, `examples/${name}.mts`];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: root });
  assert.equal(stderr, '');
  return stdout.trimEnd().split('\n');
}

test('the sensors example tells of each change of state, and finds its readings', async () => {
  assert.deepEqual(await run('sensors'), [
    'boiler: ok -> hot',
    'boiler: hot -> ok',
    'the first alarm was of transaction 3',
    '5 readings, at most 84 degrees',
  ]);
});

test('the outbox example goes on after an interruption, and has each effect once', async () => {
  assert.deepEqual(await run('outbox'), [
    'order 1 of Ada: 1200 cents',
    'stopped: the power went',
    'again: order 2 of Grace: 800 cents',
    'order 3 of Edsger: 450 cents',
    '3 messages had their effect',
  ]);
});

test('the cache example fetches once, keeps two pages, and is told what leaves', async () => {
  const [fetched, left, greeting, later] = await run('cache');
  assert.equal(fetched, '2 fetched for three visits');
  assert.equal(left, 'left: /a (ttl-count)');
  assert.equal(greeting, 'hello');
  assert.equal(later, 'left by and by: /b (ttl-age), /c (ttl-age)');
});
