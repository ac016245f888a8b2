import { type Command, Option } from 'commander';
import type { WorkloadProfile } from '../workload/profile';
import { addConnectionOptions, type ConnectionOptions } from './connection';
import { Interrupt } from './interrupt';
import { outputWidth, wrapped } from './layout';
import { measure } from './measure';
import { type Measurement, UNITS } from './measurement';
import { type BaseModel, integerBetween, numberBetween } from './options';
import { print } from './output';
import { Progress } from './progress';
import { notes, table } from './report';
import { openSession } from './session';

const MIXES = {
  get: [{ item: 'get', share: 1 }],
  set: [{ item: 'set', share: 1 }],
  mixed: [
    { item: 'get', share: 0.9 },
    { item: 'set', share: 0.1 },
  ],
} as const;

interface BenchOptions extends ConnectionOptions {
  readonly depth: number;
  readonly size: number;
  readonly ops: keyof typeof MIXES;
  readonly duration: number;
  readonly runs: number;
  readonly warmUp: number;
  readonly base: BaseModel;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addBench(program: Command): void {
  const command = program
    .command('bench')
    .description('measure a fixed simple load: uniform keys, values of one size, the median of several runs')
    .argument(
      '[url]',
      'e.g. memcached://host:port (default: $EVENKEEL_URL, else a test server in this process)',
    )
    .option('--depth <n>', 'operations in flight', integerBetween(1, 65_536), 256)
    .option('--size <bytes>', 'of a value', integerBetween(0, 16 * 1024 * 1024), 100)
    .addOption(new Option('--ops <mix>', 'mixed is 90 % get').choices(['get', 'set', 'mixed']).default('get'))
    .option('-d, --duration <seconds>', 'of each run', numberBetween(0.05, 86_400), 2)
    .option('--runs <n>', 'runs to take the median of', integerBetween(1, 1000), 5)
    .option('--warm-up <seconds>', 'load before the first run', numberBetween(0, 3600), 1)
    .addOption(new Option('--base <model>', 'event base').choices(['host', 'thread']).default('host'))
    .option('--timeout <ms>', 'of an operation', integerBetween(1, 3_600_000), 2000)
    .option('--json', 'print one JSON document and no progress');
  addConnectionOptions(command).action(bench);
}

async function bench(url: string | undefined, options: BenchOptions): Promise<void> {
  const { depth, size, ops, base } = options;
  const progress = new Progress(process.stderr, !options.json);
  const session = await openSession({ ...options, url, concurrency: depth });
  const interrupt = new Interrupt();
  let runs: Measurement[];
  try {
    const load = {
      concurrency: depth,
      seconds: options.duration,
      warmUp: options.warmUp,
      runs: options.runs,
      keys: 10_000,
    };
    runs = await measure(session, loadProfile(ops, size), load, interrupt, progress);
  } finally {
    progress.clear();
    await session.close();
    interrupt.close();
  }
  const median = medianOf(runs);
  if (options.json) {
    const { url, embedded } = session;
    const report = { url, embedded, base, depth, size, ops, units: UNITS, median, runs };
    print(`${JSON.stringify(report, undefined, 2)}\n`);
  } else if (median !== undefined) {
    const width = outputWidth();
    const lines = [
      wrapped(
        `${session.url}, ${base} event base, ${depth} operations in flight, ${size}-byte values\n`,
        width,
      ),
      table([...runs, { ...median, workload: 'median' }], width),
      `\n${wrapped(notes([median]).join('\n'), width)}`,
    ];
    print(`${lines.join('\n')}\n`);
  }
  if (median === undefined || median.operations === 0) process.exitCode = 1;
}

/**
 * The run with the median throughput, whole: its latencies and CPU time belong together, unlike the medians of each.
 */
function medianOf(runs: readonly Measurement[]): Measurement | undefined {
  const sorted = [...runs].sort((a, b) => a.operationsPerSecond - b.operationsPerSecond);
  return sorted[(sorted.length - 1) >> 1];
}

function loadProfile(ops: keyof typeof MIXES, size: number): WorkloadProfile {
  return {
    name: ops,
    category: 'storage',
    missRatio: 0,
    keyBytes: 16,
    valueBytes: size,
    requestKqps: undefined,
    meanFrequency: undefined,
    oneHitWonderRatio: undefined,
    compulsoryMissRatio: undefined,
    ttls: [{ item: 3600, share: 1 }],
    workingSetMbWithoutTtl: undefined,
    workingSetMb: undefined,
    operations: MIXES[ops],
    zipfAlpha: 0,
    assumed: [],
  };
}
