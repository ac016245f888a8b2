import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { skipWithout } from './tool.mts';

const run = promisify(execFile);

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

test("`evenkeel serve` passes libmemcached's capability test of the binary protocol", {
  skip: skipWithout('memccapable', 'libmemcached-tools'),
}, async () => {
  const stdio = ['pipe', 'pipe', 'inherit'] as const;
  const server = spawn(process.execPath, [command, 'serve', '--port', '0', '--until-stdin-closes'], {
    stdio: [...stdio],
  });
  try {
    const [line] = await once(server.stdout, 'data');
    const { hostname, port } = new URL(String(line).trim());
    const { stdout } = await run('memccapable', ['-b', '-h', hostname, '-p', port], { timeout: 60_000 });
    assert.match(stdout, /All tests passed/);
    assert.doesNotMatch(stdout, /FAIL/);
  } finally {
    server.stdin.end();
    await once(server, 'exit');
  }
});
