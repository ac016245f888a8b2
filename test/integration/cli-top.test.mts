import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect } from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { skipWithout } from '../conformance/tool.mts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program says until it ends; `onText` hears all of it so far. */
async function ended(child: ChildProcess, onText: (text: string) => void = () => {}): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    stdout += text;
    onText(stdout);
  });
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

const top = (...args: string[]): ChildProcess => spawn(process.execPath, [main, 'top', ...args]);

test('top prints a table of each server of a fleet, those that are down included', async () => {
  await using well = await startServer();
  const gone = await startServer();
  await gone.close();
  const names = [well.port, gone.port].map((port) => `127.0.0.1:${port}`);
  const url = `memcached://${names}`;
  const { code, stdout, stderr } = await ended(top(url, '--once', '--interval', '0.1', '--timeout', '10000'));
  assert.deepEqual([code, stderr], [1, '']);
  const [time, head, first, second, fault, ...rest] = stdout.split('\n');
  assert.ok(time && !Number.isNaN(Date.parse(time)), time);
  assert.match(
    head ?? '',
    /^server +state +gets\/s +sets\/s +hits +items +memory +conns +evict\/s +probe +version$/,
  );
  assert.match(first ?? '', new RegExp(`^${names[0]} +up +0 +0 +- +0 +0%/64M +1 +0 +[\\d.]+ .?s +1\\.6\\.`));
  assert.match(second ?? '', new RegExp(`^${names[1]} +down +-`));
  assert.match(fault ?? '', new RegExp(`^${names[1]}: .*ECONNREFUSED`));
  assert.deepEqual(rest, ['', '']);
});

test('top prints JSON lines whose rates are those of a load, until it is interrupted', async () => {
  await using server = await startServer();
  await using db = await connect(server.url);
  await db.upsert('k', 'v');
  using child = top(server.url, '--json', '--interval', '0.1', '--timeout', '10000');
  const told = ended(child);
  assert.ok(child.stdout);
  for await (const line of createInterface({ input: child.stdout })) {
    await db.getMany(['k', 'missing']);
    const { time, servers } = JSON.parse(line);
    assert.equal(new Date(time).toISOString(), time);
    const [only] = servers;
    assert.deepEqual([servers.length, only.name, only.items], [1, `127.0.0.1:${server.port}`, 1]);
    assert.ok(only.latency > 0 && only.connections === 2 && only.setsPerSecond === 0, line);
    if (!(only.getsPerSecond > 0)) continue;
    assert.ok(only.hitRatio > 0 && only.hitRatio <= 1, line);
    break;
  }
  child.kill('SIGINT');
  const { code, stderr } = await told;
  assert.deepEqual([code, stderr], [0, '']);
});

test('top ends after so many tables, or when nobody reads it any more', async () => {
  await using server = await startServer();
  const args = [server.url, '--interval', '0.1', '--timeout', '10000'];
  const { code, stdout } = await ended(top(...args, '--count', '2'));
  assert.equal(code, 0);
  assert.equal(stdout.match(/^server /gm)?.length, 2);
  const endless = top(...args);
  const told = ended(endless, () => endless.stdout?.destroy());
  assert.equal((await told).code, 0);
});

test('top goes on where a server says nothing, and tells of it', async () => {
  await using well = await startServer();
  await using mute = await startServer();
  await mute.fault({ opcode: ['version', 'stat'], nth: 2, action: { kind: 'hang' } });
  const url = `memcached://127.0.0.1:${well.port},127.0.0.1:${mute.port}`;
  using child = top(url, '--json', '--interval', '0.1', '--timeout', '300');
  const told = ended(child);
  assert.ok(child.stdout);
  for await (const line of createInterface({ input: child.stdout })) {
    const [first, second] = JSON.parse(line).servers;
    if (first.fault !== undefined || second.fault === undefined) continue;
    assert.match(second.fault, /^EVENKEEL_TIMEOUT: |owed answers and said nothing/);
    assert.equal(second.getsPerSecond, undefined);
    break;
  }
  child.kill('SIGTERM');
  await told;
});

test('top has servers to ask, and says what it cannot do', async () => {
  for (const [args, message] of [
    [['embedded:///nowhere'], /^evenkeel: EVENKEEL_INVALID_ARGUMENT: .*no servers to show: embedded/],
    [['http://127.0.0.1'], /^evenkeel: EVENKEEL_INVALID_ARGUMENT: url/],
    [['memcached://127.0.0.1:1', '--interval', '0'], /^error: .*from 0.1 to 3600/],
  ] as const) {
    const { code, stdout, stderr } = await ended(top(...args));
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, message);
  }
});

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const PTY = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';

for (const [key, name, rows] of [
  ['q', 'q', 10],
  ['\u0003', 'Ctrl-C', 5],
] as const)
  test(`top draws in a terminal, and gives it back after ${name}`, {
    skip: skipWithout('python3', 'python3'),
  }, async () => {
    const servers = await Promise.all([startServer(), startServer(), startServer()]);
    const url = `memcached://${servers.map(({ port }) => `127.0.0.1:${port}`)}`;
    const script = `stty cols 60 rows ${rows}; "$@"; code=$?; echo "ended with $code"; stty -a`;
    const command = [process.execPath, main, 'top', url, '--interval', '0.1', '--timeout', '10000'];
    const child = spawn('python3', ['-c', PTY, 'sh', '-c', script, 'sh', ...command]);
    let isPressed = false;
    const { stdout } = await ended(child, (text) => {
      // The second page has rates.
      if (isPressed || !/ up +0 +0 /.test(text)) return;
      isPressed = true;
      child.stdin?.write(key);
    });
    assert.ok(stdout.startsWith(ENTER), JSON.stringify(stdout));
    const [drawn = '', after = ''] = stdout.slice(ENTER.length).split(LEAVE);
    assert.match(after, /^ended with 0\r\n/);
    assert.match(after, / icanon/);
    assert.match(after, / echo /);
    const pages = drawn.split('\u001b[H').slice(1);
    assert.ok(pages.length >= 2);
    for (const page of pages) {
      const lines = page.replaceAll('\u001b[K', '').replaceAll('\u001b[J', '').split('\r\n');
      assert.ok(
        lines.every((line) => line.length <= 60 && !/\p{Cc}/u.test(line)),
        JSON.stringify(page),
      );
      assert.match(lines[0] ?? '', /^3 of 3 servers answer; rates of 0.1 s; q ends: memcached:/);
      assert.match(lines[2] ?? '', /^server +state +gets\/s +sets\/s/);
      if (rows === 5) assert.deepEqual([lines.length, lines[4]], [5, '… a larger terminal shows more']);
      else assert.equal(lines.length, 6);
    }
    await Promise.all(servers.map((server) => server.close()));
  });
