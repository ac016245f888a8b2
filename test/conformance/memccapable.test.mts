import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startServer } from '../../lib/testing/index.ts';
import { skipWithout } from './tool.mts';

const run = promisify(execFile);

test("the test server passes libmemcached's capability test of the binary protocol", {
  skip: skipWithout('memccapable', 'libmemcached-tools'),
}, async () => {
  await using server = await startServer();
  const args = ['-b', '-h', server.host, '-p', String(server.port)];
  const { stdout } = await run('memccapable', args, { timeout: 60_000 });
  assert.match(stdout, /All tests passed/);
  assert.doesNotMatch(stdout, /FAIL/);
});
