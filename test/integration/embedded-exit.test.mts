import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Directory } from './embedded.mts';

const dist = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

/** Runs `before`, and `end` while some of 20,000 writes are executed. How the process ended, and what it printed of that. */
async function ended(before: string, end: string, isHeard = true): Promise<string> {
  await using directory = await Directory.make();
  const source = `
    const { connect } = require(${JSON.stringify(dist)});
    (async () => {
      const db = await connect(${JSON.stringify(directory.url)});
      await db.upsert('k', 0);
      ${before}
      for (let i = 0; i < 20_000; i += 1) db.upsert('k' + i, i).catch(() => {});
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      ${end}
    })();`;
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  if (isHeard) {
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  } else {
    child.stdout.destroy();
    child.stderr.destroy();
  }
  const limit = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [code, signal] = await once(child, isHeard ? 'close' : 'exit');
  clearTimeout(limit);
  return `${signal ?? code} ${printed.split('\n', 1)[0]}`.trim();
}

describe('a process that exits amid writes ends', { concurrency: true }, () => {
  test('when nobody reads any more what it prints', async () => {
    const end = `setImmediate(() => { throw new Error('nobody hears of it'); });`;
    assert.equal(await ended('', end, false), '1');
  });

  test('when listeners for its exit throw, after all of them were called', async () => {
    const before = `
      process.on('exit', () => { throw new Error('mine'); });
      process.once('exit', (code) => console.log('exit', code));`;
    assert.equal(await ended(before, 'process.exit(3);'), '3 exit 3');
    const only = `process.on('exit', () => { throw new Error('mine'); });`;
    assert.equal(await ended(only, 'process.exit(3);'), '3 Uncaught Error: mine');
  });

  test('when an error ends it and a listener for its exit throws', async () => {
    const before = `process.on('exit', () => { throw new Error('mine'); });`;
    const end = `setImmediate(() => { throw new Error('first'); });`;
    assert.equal(await ended(before, end), '1 Uncaught Error: first');
  });

  test('with the code that a listener sets, or exits with', async () => {
    assert.equal(
      await ended(`process.on('exit', () => { process.exitCode = 9; });`, 'process.exit(3);'),
      '9',
    );
    assert.equal(await ended(`process.on('exit', () => process.exit(7));`, 'process.exit(3);'), '7');
  });
});
