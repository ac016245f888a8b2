import type { Command } from 'commander';
import { connect, type Database } from '../index';
import { delay, performanceNow } from '../platform';
import { excerpt } from '../text';
import { addConnectionOptions, type ConnectionOptions, connectionOf, serversOf } from './connection';
import { integerBetween } from './options';
import { complain, print } from './output';
import { duration, oneLine } from './report';

/** The client's own error names the cause, so it may come first. */
const GRACE_MS = 100;

/** The key read in each round trip; it need not exist. */
const KEY = 'evenkeel:ping';

interface PingOptions extends ConnectionOptions {
  readonly count: number;
  readonly timeout: number;
  readonly interval: number;
}

export function addPing(program: Command): void {
  const command = program
    .command('ping')
    .description('ask each server for a key a few times; exits with 0 if all answered every time')
    .argument('<url>', 'e.g. memcached://host:port, memcached://host1,host2')
    .option('-n, --count <n>', 'round trips', integerBetween(1, 1_000_000), 4)
    .option('--interval <ms>', 'between them', integerBetween(0, 3_600_000), 100)
    .option('--timeout <ms>', 'of connecting and of each round trip', integerBetween(1, 3_600_000), 2000);
  addConnectionOptions(command).action(ping);
}

async function ping(url: string, options: PingOptions): Promise<void> {
  const servers = serversOf(url);
  const [only, ...others] = servers;
  if (only !== undefined && others.length === 0) return pingServer(only.name, url, options, '');
  const pinged = servers.map(async (server) => {
    try {
      await pingServer(server.name, server.url, options, `${server.name}: `);
    } catch (error) {
      process.exitCode = 1;
      complain(`${server.name}: ${oneLine(error)}\n`);
    }
  });
  await Promise.all(pinged);
}

/** `whose` is the start of the summary. */
async function pingServer(name: string, url: string, options: PingOptions, whose: string): Promise<void> {
  const { count, timeout, interval } = options;
  const db = await within(timeout, 'connected', open(url, options));
  const times: number[] = [];
  try {
    const version = excerpt(await within(timeout, 'connected', db.version()));
    for (let trip = 0; trip < count; trip++) {
      if (trip > 0) await delay(interval);
      const began = performanceNow();
      await within(timeout, 'answered', db.exists(KEY));
      const microseconds = (performanceNow() - began) * 1000;
      times.push(microseconds);
      print(`${name}: version ${version}, ${duration(microseconds)}\n`);
    }
  } finally {
    await Promise.race([db.close(), delay(timeout, undefined, { ref: false })]);
  }
  const least = times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = times.reduce((a, b) => Math.max(a, b), 0);
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  print(
    `${whose}${times.length} round trips: min ${duration(least)}, mean ${duration(mean)}, max ${duration(most)}\n`,
  );
}

/** A probe does not change a directory: it creates no database and removes no expired records. */
function open(url: string, options: PingOptions): Promise<Database> {
  const { timeout } = options;
  if (isDirectory(url)) return connect(url, { timeout, readOnly: true });
  return connect(url, { timeout, ...connectionOf(url, options) });
}

const isDirectory = (url: string): url is `embedded:${string}` => url.startsWith('embedded://');

/** A separate limit, so that the exit code comes in time even if connecting retries for longer. */
async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  const controller = new AbortController();
  const timer = delay(ms + GRACE_MS, undefined, { signal: controller.signal });
  try {
    return await Promise.race([
      promise,
      timer.then(() => {
        throw Object.assign(new Error(`not ${what} within ${ms} ms`), { code: 'EVENKEEL_TIMEOUT' });
      }),
    ]);
  } finally {
    controller.abort();
    timer.catch(() => {});
  }
}
