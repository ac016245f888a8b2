import type { Command } from 'commander';
import { redactUrl } from '../cluster/connection-string';
import { connect, type Database } from '../index';
import { delay, performanceNow } from '../platform';
import { excerpt } from '../text';
import { integerBetween } from './options';
import { print } from './output';
import { duration } from './report';

/** The client's own error names the cause, so it gets the chance to come first. */
const GRACE_MS = 100;

interface PingOptions {
  readonly count: number;
  readonly timeout: number;
  readonly interval: number;
}

export function addPing(program: Command): void {
  program
    .command('ping')
    .description('ask a server for its version a few times; exits with 0 if it answered every time')
    .argument('<url>', 'e.g. memcached://host:port')
    .option('-n, --count <n>', 'round trips', integerBetween(1, 1_000_000), 4)
    .option('--interval <ms>', 'between them', integerBetween(0, 3_600_000), 100)
    .option('--timeout <ms>', 'of connecting and of each round trip', integerBetween(1, 3_600_000), 2000)
    .action(ping);
}

async function ping(url: string, { count, timeout, interval }: PingOptions): Promise<void> {
  const server = redactUrl(url);
  const db = await within(timeout, 'connected', open(url, timeout));
  const times: number[] = [];
  try {
    for (let trip = 0; trip < count; trip++) {
      if (trip > 0) await delay(interval);
      const began = performanceNow();
      const version = await within(timeout, 'answered', db.version());
      const microseconds = (performanceNow() - began) * 1000;
      times.push(microseconds);
      print(`${server}: version ${excerpt(version)}, ${duration(microseconds)}\n`);
    }
  } finally {
    await Promise.race([db.close(), delay(timeout, undefined, { ref: false })]);
  }
  const least = times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = times.reduce((a, b) => Math.max(a, b), 0);
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  print(
    `${times.length} round trips: min ${duration(least)}, mean ${duration(mean)}, max ${duration(most)}\n`,
  );
}

/** A probe leaves a directory as it is: it makes no database, and removes nothing that has expired. */
function open(url: string, timeout: number): Promise<Database> {
  return isDirectory(url) ? connect(url, { timeout, readOnly: true }) : connect(url, { timeout });
}

const isDirectory = (url: string): url is `embedded:${string}` => url.startsWith('embedded://');

/** A limit of its own: the exit code is promised in time even if connecting retries for longer. */
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
