import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect } from '../../lib/index.ts';
import { long } from '../effort.mts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

const COMMANDS = ['replay', 'bench', 'serve', 'ping', 'top', 'ddl', 'demo', 'watch', 'verify'];
const npmStart = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const { EVENKEEL_URL: _, COLUMNS: __, ...inherited } = process.env;
  return spawn(process.execPath, [main, ...args], { env: { ...inherited, ...env }, stdio: 'pipe' });
}

function end(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

function evenkeel(...args: string[]): Promise<Ended> {
  return end(start(args));
}

/** Resolves when what a stream has said matches. */
function says(stream: NodeJS.ReadableStream | null, pattern: RegExp): Promise<string> {
  assert.ok(stream);
  let text = '';
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk) => {
      text += chunk;
      if (pattern.test(text)) resolve(text);
    });
    stream.once('end', () => reject(new Error(`ended after ${JSON.stringify(text)}`)));
  });
}

/** The url of a port where nobody listens. */
async function deadUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `memcached://127.0.0.1:${port}`;
}

describe('the evenkeel command', () => {
  it('prints its version', async () => {
    const { code, stdout } = await evenkeel('--version');
    assert.equal(code, 0);
    assert.equal(stdout.trim(), manifest.version);
  });

  it('describes every command', async () => {
    const { code, stdout } = await evenkeel('--help');
    assert.equal(code, 0);
    for (const command of COMMANDS) assert.match(stdout, new RegExp(`^ +${command} `, 'm'));
    for (const command of COMMANDS) {
      const help = await evenkeel(command, '--help');
      assert.equal(help.code, 0);
      assert.match(help.stdout, new RegExp(`^Usage: evenkeel ${command}`));
    }
  });

  it('refuses unknown commands, options and workloads on stderr', async () => {
    for (const args of [
      ['fetch'],
      ['replay', '--nothing'],
      ['replay', '--concurrency', '0'],
      ['replay', '--base', 'both'],
      ['ping', '--count', 'many', 'memcached://127.0.0.1:1'],
    ]) {
      const { code, stdout, stderr } = await evenkeel(...args);
      assert.equal(code, 1, args.join(' '));
      assert.equal(stdout, '');
      assert.match(stderr, /^error: /);
    }
    const { code, stderr } = await evenkeel('replay', '--workload', 'cluster99');
    assert.equal(code, 1);
    assert.match(stderr, /^evenkeel: there is no workload "cluster99".*\n$/);
  });
});

describe('evenkeel serve', () => {
  it('prints its url, serves, and ends when stdin closes', async () => {
    const server = start(['serve', '--port', '0', '--until-stdin-closes']);
    const ended = end(server);
    const url = (await says(server.stdout, /\n/)).trim();
    assert.match(url, /^memcached:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await evenkeel('ping', '--count', '1', url)).code, 0);
    server.stdin?.end();
    assert.equal((await ended).code, 0);
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`ends on ${signal}`, async () => {
      const server = start(['serve', '--port', '0']);
      const ended = end(server);
      await says(server.stdout, /\n/);
      server.kill(signal);
      assert.equal((await ended).code, 0);
    });
  }

  it('says on one line why it cannot listen', async () => {
    const first = start(['serve', '--port', '0', '--until-stdin-closes']);
    const ended = end(first);
    const port = new URL((await says(first.stdout, /\n/)).trim()).port;
    const second = await evenkeel('serve', '--port', port);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /^evenkeel: .*EADDRINUSE.*\n$/);
    first.stdin?.end();
    await ended;
  });
});

describe('with a server', () => {
  let server: ChildProcess;
  let url: string;

  before(async () => {
    server = start(['serve', '--port', '0', '--until-stdin-closes']);
    url = (await says(server.stdout, /\n/)).trim();
  });

  after(async () => {
    server.stdin?.end();
    await once(server, 'close');
  });

  it('ping measures round trips', async () => {
    const { code, stdout } = await evenkeel('ping', url, '--count', '3', '--interval', '0');
    assert.equal(code, 0);
    assert.equal(stdout.match(/: version \S+, /g)?.length, 3);
    assert.match(stdout, /^3 round trips: min .*, mean .*, max /m);
  });

  it('ping leaves a directory as it is', async () => {
    const path = mkdtempSync(join(tmpdir(), 'evenkeel-ping-'));
    const absent = join(path, 'absent');
    const { code, stderr } = await evenkeel('ping', `embedded://${absent}`);
    assert.deepEqual([code, existsSync(absent)], [1, false]);
    assert.equal(stderr, `evenkeel: EVENKEEL_STORAGE: ${absent}: there is no database to read\n`);
    const db = await connect(`embedded://${path}`);
    await db.close();
    const probed = await evenkeel('ping', `embedded://${path}`, '--count', '1');
    assert.match(probed.stdout, /: version embedded, /);
    rmSync(path, { recursive: true });
  });

  it('replay reports every workload it was asked for', async () => {
    const { code, stdout, stderr } = await evenkeel(
      'replay',
      url,
      '--workload',
      'cluster52,cluster22',
      '--workload',
      'cluster53',
      '--duration',
      '0.5',
      '--keys',
      '500',
      '--concurrency',
      '16',
    );
    assert.equal(code, 0, stderr);
    for (const name of ['cluster52', 'cluster22', 'cluster53']) {
      assert.match(stdout, new RegExp(`^${name} .* 0$`, 'm'), stdout);
    }
    assert.match(stdout, /^workload +op\/s +hits +misses +expected/m);
    assert.match(stdout, /CPU\/op: whole process/);
    assert.match(stderr, /cluster52/, 'progress goes to stderr');
  });

  it('replay fits into a narrow terminal, explains the workload and calls no expected answer a failure', async () => {
    const args = ['replay', url, '-w', 'cluster52,cluster50', '-d', '0.3', '--keys', '500'];
    const { code, stdout, stderr } = await end(start(args, { COLUMNS: '80' }));
    assert.equal(code, 0, stderr);
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line);
    assert.match(stdout, /^Each workload repeats what a production cache cluster was asked/m);
    assert.match(stdout, /^cluster52: 92 % get, 4 % add/m);
    assert.match(stdout, /^workload +op\/s +misses +expected +p50 +p99 +CPU\/op +errors$/m);
    assert.doesNotMatch(stdout, /EVENKEEL_/);
    assert.match(stdout, /\n\n[\d,]+ operations were answered; none failed\.\n$/);
  });

  for (const base of ['host', 'thread']) {
    it(`replay --json is one document that agrees with the profiles, on the ${base} base`, async () => {
      const which = long ? 'all' : 'cluster1,cluster22,cluster52';
      const args = ['replay', '--json', '-w', which, '--keys', '200', '--concurrency', '16'];
      const { code, stdout, stderr } = await end(
        start([...args, '--duration', '0.1', '--base', base], { EVENKEEL_URL: url }),
      );
      assert.equal(code, 0, stderr);
      assert.equal(stderr, '');
      const report = JSON.parse(stdout);
      assert.equal(report.url, url);
      assert.equal(report.embedded, false);
      assert.equal(report.base, base);
      assert.equal(report.units.latency, 'µs');
      assert.equal(report.units.operationsPerSecond, '1/s');
      assert.equal(report.workloads.length, long ? 54 : 3);
      for (const entry of report.workloads) {
        assert.deepEqual(entry.errors, {}, entry.workload);
        assert.ok(entry.operations > 0, entry.workload);
        assert.equal(entry.prefilled, entry.residents);
        assert.equal(entry.latency.count, entry.operations);
        const expected = entry.reads * entry.expectedMissRatio;
        const missed = entry.reads * (entry.missRatio ?? 0);
        assert.ok(
          Math.abs(missed - expected) <= 5 * Math.sqrt(expected) + 5,
          `${entry.workload}: ${missed} of ${entry.reads} reads missed, not ${expected}`,
        );
      }
    });
  }

  it('replay prints the report so far when it is interrupted', async () => {
    const child = start(['replay', url, '-w', 'cluster52,cluster12', '-d', '600', '--keys', '100']);
    const ended = end(child);
    await says(child.stderr, /cluster52: \d+\.\d s /);
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    assert.equal(code, 0);
    assert.match(stdout, /^cluster52 /m);
    assert.match(stdout, /cluster52: interrupted after /);
    assert.doesNotMatch(stdout, /^cluster12 /m);
  });

  it('bench reports the median of its runs', async () => {
    const args = [
      'bench',
      url,
      '--ops',
      'mixed',
      '--size',
      '10',
      '--depth',
      '8',
      '--duration',
      '0.1',
      '--runs',
      '3',
    ];
    const { code, stdout, stderr } = await evenkeel(...args, '--warm-up', '0.1', '--json');
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout);
    assert.equal(report.runs.length, 3);
    const rates = report.runs.map((run: { operationsPerSecond: number }) => run.operationsPerSecond);
    rates.sort((a: number, b: number) => a - b);
    assert.equal(report.median.operationsPerSecond, rates[1]);
    assert.equal(report.median.missRatio, 0);
    assert.deepEqual(report.median.errors, {});
    assert.match((await evenkeel(...args, '--warm-up', '0')).stdout, /^median /m);
  });
});

describe('without a url', () => {
  it('replay runs against the embedded server and counts the CPU time of the client alone', async () => {
    const { code, stdout, stderr } = await evenkeel(
      'replay',
      '-w',
      'cluster18',
      '-d',
      '0.3',
      '--keys',
      '500',
      '--json',
    );
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout);
    assert.equal(report.embedded, true);
    assert.deepEqual(report.workloads[0].errors, {});
    if (process.platform === 'linux') assert.match(report.workloads[0].cpu.scope, /^main thread/);
  });
});

describe('with nobody listening', () => {
  it('ping fails on one line with the code, within its timeout', async () => {
    const began = performance.now(); // --timeout is what ends it, not the minutes that a connection may take
    const { code, stdout, stderr } = await evenkeel('ping', await deadUrl(), '--timeout', '300');
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^evenkeel: EVENKEEL_[A-Z_]+: [^\n]+\n$/);
    assert.ok(performance.now() - began < 60_000);
  });

  it('ping fails against a server that accepts and never answers', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const { code, stderr } = await evenkeel('ping', `memcached://127.0.0.1:${port}`, '--timeout', '300');
    silent.close();
    assert.equal(code, 1);
    assert.match(stderr, /^evenkeel: EVENKEEL_[A-Z_]+: [^\n]+\n$/);
  });

  it('replay exits non-zero, with a stack only when asked', async () => {
    const url = await deadUrl();
    const args = ['replay', url, '-w', 'cluster52', '-d', '0.2', '--timeout', '200', '--json'];
    const { code, stderr } = await evenkeel(...args);
    assert.equal(code, 1);
    assert.match(stderr, /^evenkeel: EVENKEEL_[A-Z_]+: [^\n]+\n$/);
    assert.match((await evenkeel(...args, '--verbose')).stderr, /\n +at /);
  });
});

// That it shows the embedded database after the workloads takes half a minute: .ci/newcomer sees to it.
describe('npm start', () => {
  const started = (args: readonly string[]): ChildProcess => {
    const { EVENKEEL_URL: _, ...env } = process.env;
    // In a group of its own, as in a terminal: an interruption is for all of it.
    return spawn(process.execPath, [npmStart, ...args], { env, stdio: 'pipe', detached: true });
  };

  it('passes its arguments to replay and runs nothing else', async () => {
    const child = started(['--workload', 'cluster52', '--duration', '0.3', '--keys', '500', '--json']);
    const { code, stdout, stderr } = await end(child);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).workloads.length, 1);
  });

  it('prints the report so far when it is interrupted, and goes on with nothing else', async () => {
    const child = started([]);
    const ended = end(child);
    await says(child.stderr, /cluster52: \d+\.\d s /);
    process.kill(-(child.pid ?? Number.NaN), 'SIGINT');
    const { code, stdout } = await ended;
    assert.equal(code, 0);
    assert.match(stdout, /cluster52: interrupted after /);
    assert.doesNotMatch(stdout, /sensors/);
  });
});
