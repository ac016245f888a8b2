import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startServer } from '../../lib/testing/index.ts';
import { AUTHORITY, SERVER, SERVER_KEY } from '../certificates.mts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'evenkeel-cli-'));
const ca = join(folder, 'ca.pem');
writeFileSync(ca, AUTHORITY);
after(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function evenkeel(...args: string[]): Promise<Ended> {
  return evenkeelWith({}, ...args);
}

function evenkeelWith(env: Record<string, string>, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, ...args],
      { env: { ...process.env, ...env } },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

const lines = (text: string): number => text.split('\n').length - 1;

test('ping tells of each server of a fleet, by its name', async () => {
  await using one = await startServer();
  await using two = await startServer();
  const names = [`127.0.0.1:${one.port}`, `127.0.0.1:${two.port}`];
  const { code, stdout, stderr } = await evenkeel(
    'ping',
    `memcached://${names}`,
    '--count',
    '2',
    '--interval',
    '0',
  );
  assert.deepEqual([code, stderr], [0, '']);
  for (const name of names) {
    const own = stdout.split('\n').filter((line) => line.startsWith(`${name}: `));
    assert.equal(own.filter((line) => /: version \S+, /.test(line)).length, 2);
    assert.match(own.at(-1) ?? '', /: 2 round trips: min .*, mean .*, max /);
  }
  assert.equal(lines(stdout), 6);
});

test('ping of a fleet fails when one server does, and tells of the others', async () => {
  await using well = await startServer();
  const gone = await startServer();
  await gone.close();
  const url = `memcached://127.0.0.1:${well.port},127.0.0.1:${gone.port}`;
  const { code, stdout, stderr } = await evenkeel('ping', url, '--count', '1', '--timeout', '500');
  assert.equal(code, 1);
  assert.match(stdout, new RegExp(`^127\\.0\\.0\\.1:${well.port}: version `));
  assert.ok(!stdout.includes(String(gone.port)));
  assert.match(stderr, new RegExp(`^127\\.0\\.0\\.1:${gone.port}: EVENKEEL_[A-Z]+: [^\\n]+\\n$`));
});

test('ping makes round trips: what a server does not answer is no success', async () => {
  await using server = await startServer();
  await server.fault({ opcode: 'get', action: { kind: 'hang' } });
  const { code, stderr } = await evenkeel('ping', server.url, '--count', '1', '--timeout', '300');
  assert.equal(code, 1);
  assert.match(stderr, /^evenkeel: EVENKEEL_TIMEOUT: /);
});

test('ping, top, bench and replay take authorities, or do without', async () => {
  await using server = await startServer({ tls: { cert: SERVER, key: SERVER_KEY } });
  const url = `memcacheds://127.0.0.1:${server.port}`;
  const once = ['--count', '1', '--timeout', '1000'];
  const untrusted = await evenkeel('ping', url, ...once);
  assert.equal(untrusted.code, 1);
  assert.match(untrusted.stderr, /TLS/);
  const plain = url.replace('memcacheds', 'memcached');
  for (const args of [
    [url, '--ca', ca],
    [url, '--insecure'],
    [plain, '--tls', '--ca', ca],
    [plain, '--ca', ca],
    [plain, '--tls', '--insecure'],
  ])
    assert.equal((await evenkeel('ping', ...args, ...once)).code, 0, args.join(' '));
  const unencrypted = await evenkeel('ping', plain, '--insecure', ...once);
  assert.notEqual(unencrypted.code, 0);
  assert.match(unencrypted.stderr, /--insecure is for encrypted connections \(--tls or memcacheds:/);
  const top = await evenkeel('top', url, '--ca', ca, '--once', '--interval', '0.1', '--timeout', '10000');
  assert.equal(top.code, 0, top.stdout);
  const short = ['--duration', '0.05', '--json'];
  const bench = await evenkeel('bench', url, '--ca', ca, '--runs', '1', '--warm-up', '0', ...short);
  assert.equal(bench.code, 0, bench.stderr);
  const replay = await evenkeel(
    'replay',
    url,
    '--insecure',
    '--workload',
    'cluster52',
    '--keys',
    '100',
    ...short,
  );
  assert.equal(replay.code, 0, replay.stderr);
});

test('a user comes from the url or the environment, and neither is shown', async () => {
  const credentials = { username: 'ada', password: 'love/lace' };
  await using one = await startServer({ credentials });
  await using two = await startServer({ credentials });
  const hosts = `127.0.0.1:${one.port},127.0.0.1:${two.port}`;
  const once = ['--count', '1', '--timeout', '2000'];
  const env = { EVENKEEL_USERNAME: 'ada', EVENKEEL_PASSWORD: 'love/lace' };
  const user = `ada:${encodeURIComponent('love/lace')}@`;
  const ended = [
    await evenkeel('ping', `memcached://${user}${hosts}`, ...once),
    await evenkeel('ping', `memcached://${user}127.0.0.1:${one.port}`, ...once),
    await evenkeelWith(env, 'ping', `memcached://${hosts}`, ...once),
    await evenkeelWith({ EVENKEEL_PASSWORD: 'love/lace' }, 'ping', one.url, '--username', 'ada', ...once),
    await evenkeelWith(
      env,
      'top',
      `memcached://${hosts}`,
      '--once',
      '--interval',
      '0.1',
      '--timeout',
      '10000',
    ),
    await evenkeel('bench', `memcached://${user}${hosts}`, '-d', '0.05', '--runs', '1', '--warm-up', '0'),
  ];
  for (const { code, stdout, stderr } of ended) {
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout + stderr, /ada|love|lace/);
  }
  const refused = await evenkeelWith({ ...env, EVENKEEL_PASSWORD: 'wrong' }, 'ping', one.url, ...once);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^evenkeel: EVENKEEL_AUTHENTICATION: /);
  assert.doesNotMatch(refused.stderr, /wrong/);
});

test('a file that is not there is named', async () => {
  const { code, stderr } = await evenkeel(
    'ping',
    'memcacheds://127.0.0.1:1',
    '--ca',
    join(folder, 'none.pem'),
  );
  assert.equal(code, 1);
  assert.match(stderr, /ENOENT.*none\.pem/);
});
