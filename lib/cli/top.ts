import type { Command } from 'commander';
import { redactUrl } from '../cluster/connection-string';
import { connect, type Database, InvalidArgumentError } from '../index';
import { dateNow, delay, performanceNow } from '../platform';
import { addConnectionOptions, type ConnectionOptions, connectionOf } from './connection';
import { Ending } from './ending';
import { outputWidth } from './layout';
import { integerBetween, numberBetween } from './options';
import { Screen } from './screen';
import { ratesOf, type ServerRates, type ServerSample } from './server-rates';
import { sampleServers } from './server-samples';
import { topTable } from './top-table';

interface TopOptions extends ConnectionOptions {
  readonly interval: number;
  readonly count?: number;
  readonly once?: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addTop(program: Command): void {
  const command = program
    .command('top')
    .description('show what servers are doing, in a table that is kept current; q ends it')
    .argument('<url>', 'e.g. memcached://host:port, memcached://host1,host2')
    .option('--interval <seconds>', 'that a table is about', numberBetween(0.1, 3600), 1)
    .option('-n, --count <n>', 'tables to print, one below the other', integerBetween(1, 1_000_000_000))
    .option('--once', 'print one table; exits with 0 if all servers have answered')
    .option('--timeout <ms>', 'of each question', integerBetween(1, 3_600_000), 1000)
    .option('--json', 'print one JSON document a line');
  addConnectionOptions(command).action(top);
}

async function top(url: string, options: TopOptions): Promise<void> {
  if (url.startsWith('embedded:'))
    throw new InvalidArgumentError(`an embedded database has no servers to show: ${redactUrl(url)}`);
  const ended = new AbortController();
  const ending = new Ending(() => ended.abort());
  const { timeout } = options;
  try {
    // Unreachable servers are shown, too.
    const db: Database = await connect(url, { ...connectionOf(url, options), timeout, lazy: true });
    try {
      const count = options.once ? 1 : options.count;
      const isLive = count === undefined && !options.json && process.stdout.isTTY;
      const tables = tablesOf(db, options, ended.signal);
      if (isLive) await showAll(tables, redactUrl(url), options, () => ended.abort());
      else await printAll(tables, count, options, ending);
    } finally {
      await db.close({ timeout: 1 });
    }
  } finally {
    ending.close();
  }
}

/** A table without rates at once, then one after each interval. */
async function* tablesOf(
  db: Database,
  { interval, timeout }: TopOptions,
  signal: AbortSignal,
): AsyncGenerator<readonly ServerRates[], void> {
  let before: ReadonlyMap<string, ServerSample> = new Map();
  for (let next = performanceNow(); ; ) {
    next = Math.max(performanceNow(), next + interval * 1000);
    const samples = await unlessAborted(signal, sampleServers(db, timeout));
    if (samples === undefined) return;
    const earlier = before;
    before = new Map(samples.map((each) => [each.name, each]));
    yield samples.map((each) => ratesOf(each, earlier.get(each.name)));
    await delay(Math.max(0, next - performanceNow()), undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
  }
}

async function showAll(
  tables: AsyncIterable<readonly ServerRates[]>,
  where: string,
  { interval }: TopOptions,
  quit: () => void,
): Promise<void> {
  const screen = new Screen(quit);
  try {
    for await (const servers of tables) {
      const up = servers.filter(({ fault }) => fault === undefined).length;
      const heading = `${up} of ${servers.length} servers answer; rates of ${interval} s; q ends: ${where}`;
      screen.show((width) => `${heading}\n\n${topTable(servers, width)}`);
    }
  } finally {
    screen.close();
  }
}

/** Prints the tables that have rates. The exit code is that of the last table. */
async function printAll(
  tables: AsyncIterable<readonly ServerRates[]>,
  count: number | undefined,
  { json }: TopOptions,
  ending: Ending,
): Promise<void> {
  let printed = -1;
  for await (const servers of tables) {
    printed += 1;
    if (printed === 0) continue;
    const time = new Date(dateNow()).toISOString();
    const text = json ? JSON.stringify({ time, servers }) : `${time}\n${topTable(servers, outputWidth())}\n`;
    if (!(await ending.print(`${text}\n`))) return;
    process.exitCode = servers.every(({ fault }) => fault === undefined) ? 0 : 1;
    if (printed === count) return;
  }
}

/** undefined when it is aborted first. */
async function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  let onAbort = (): void => {};
  const aborted = new Promise<undefined>((resolve) => {
    onAbort = () => resolve(undefined);
    signal.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
