import { type Command, Option } from 'commander';
import { loadProfiles, type WorkloadProfile } from '../workload/profile';
import { addConnectionOptions, type ConnectionOptions } from './connection';
import { Interrupt } from './interrupt';
import { outputWidth, wrapped } from './layout';
import { measure } from './measure';
import { type Measurement, UNITS } from './measurement';
import { type BaseModel, commaList, integerBetween, numberBetween } from './options';
import { print } from './output';
import { Progress } from './progress';
import { heading, notes, table } from './report';
import { openSession } from './session';

/** Read-mostly with conditional writes, write-mostly, counters, large values, and the steepest popularity. */
const DEFAULT_WORKLOADS = ['cluster52', 'cluster12', 'cluster22', 'cluster50', 'cluster18'];

interface ReplayOptions extends ConnectionOptions {
  readonly workload?: readonly string[];
  readonly duration: number;
  readonly concurrency: number;
  readonly base: BaseModel;
  readonly keys: number;
  readonly memory: number;
  readonly seed: number;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addReplay(program: Command): void {
  const command = program
    .command('replay')
    .description('replay production cache workloads and report what the client makes of them')
    .argument(
      '[url]',
      'e.g. memcached://host:port (default: $EVENKEEL_URL, else a test server in this process)',
    )
    .option(
      '-w, --workload <names>',
      `comma list, repeatable, or "all" (default: ${DEFAULT_WORKLOADS})`,
      commaList,
    )
    .option('-d, --duration <seconds>', 'of each workload', numberBetween(0.05, 86_400), 4)
    .option('-c, --concurrency <n>', 'operations in flight', integerBetween(1, 65_536), 256)
    .addOption(new Option('--base <model>', 'event base').choices(['host', 'thread']).default('host'))
    .option('--keys <n>', 'bound of the key space', integerBetween(1, 50_000_000), 100_000)
    .option(
      '--memory <MiB>',
      'bound of what the key space takes on the server',
      numberBetween(0.01, 1_000_000),
      12,
    )
    .option(
      '--seed <n>',
      'of the random stream',
      numberBetween(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
      1,
    )
    .option('--timeout <ms>', 'of an operation', integerBetween(1, 3_600_000), 2000)
    .option('--json', 'print one JSON document and no progress');
  addConnectionOptions(command).action(replay);
}

async function replay(url: string | undefined, options: ReplayOptions): Promise<void> {
  const profiles = selectProfiles(options.workload ?? DEFAULT_WORKLOADS);
  const progress = new Progress(process.stderr, !options.json);
  const session = await openSession({ url, ...options });
  const interrupt = new Interrupt();
  const measurements: Measurement[] = [];
  let failure: { readonly error: unknown } | undefined;
  try {
    const load = {
      concurrency: options.concurrency,
      seconds: options.duration,
      keys: options.keys,
      memoryBytes: options.memory * 1024 * 1024,
      seed: options.seed,
    };
    for (const profile of profiles) {
      if (interrupt.seen) break;
      measurements.push(...(await measure(session, profile, load, interrupt, progress)));
    }
  } catch (error) {
    failure = { error };
  } finally {
    progress.clear();
    await session.close();
    interrupt.close();
  }
  const { base, concurrency, seed } = options;
  if (options.json) {
    const { url, embedded } = session;
    const report = { url, embedded, base, concurrency, seed, units: UNITS, workloads: measurements };
    print(`${JSON.stringify(report, undefined, 2)}\n`);
  } else if (measurements.length > 0) {
    const width = outputWidth();
    const server = session.embedded
      ? `${session.url} (test server in a worker of this process)`
      : session.url;
    const where = `${server}, ${base} event base, ${concurrency} operations in flight`;
    print(`${wrapped(heading(where, measurements), width)}\n\n`);
    print(`${table(measurements, width)}\n\n`);
    print(`${wrapped(notes(measurements).join('\n'), width)}\n`);
  }
  if (failure !== undefined) throw failure.error;
  if (measurements.every((entry) => entry.operations === 0)) process.exitCode = 1;
}

function selectProfiles(names: readonly string[]): WorkloadProfile[] {
  const all = loadProfiles();
  if (names.includes('all')) return all;
  return [...new Set(names)].map((name) => {
    const profile = all.find((candidate) => candidate.name === name);
    if (profile === undefined) {
      throw new Error(`there is no workload "${name}": choose from cluster1 … cluster${all.length}, or all`);
    }
    return profile;
  });
}
