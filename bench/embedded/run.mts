// npm run bench:embedded [-- --rounds 5 --scale 1 --only <pattern> --no-save]. bench/README.md says what is measured.
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from '../machine.mts';
import { deleteAll, resume, slowConsumer } from './long.mts';
import { type Rates, scenarios } from './scenarios.mts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    'no-save': { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const scale = Number(options.scale);

async function inDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'evenkeel-bench-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const results: Record<string, Rates> = {};
for (const [name, contenders] of Object.entries(scenarios)) {
  if (!new RegExp(options.only).test(name)) continue;
  const measured: Record<string, number[]> = {};
  const names = Object.keys(contenders);
  for (let round = 0; round < rounds; round += 1) {
    // Another one goes first each time.
    for (const contender of names.map((_each, i) => names[(i + round) % names.length] as string)) {
      const run = contenders[contender];
      if (run === undefined) continue;
      const one = await inDirectory((directory) => run(directory, scale));
      measured[contender] = [...(measured[contender] ?? []), one];
    }
  }
  results[name] = Object.fromEntries(Object.entries(measured).map(([each, all]) => [each, median(all)]));
  print(name, results[name]);
}

function print(name: string, rates: Rates): void {
  console.log(`\n${name}`);
  const [first = 1] = Object.values(rates);
  for (const [contender, rate] of Object.entries(rates))
    console.log(
      `  ${contender.padEnd(18)} ${Math.round(rate).toLocaleString('en').padStart(11)} /s   ${(rate / first).toFixed(2)} ×`,
    );
}

const long = !options.only
  ? {
      resume: await inDirectory((directory) => resume(directory, 1_000_000 * scale)),
      slowConsumer: await inDirectory((directory) => slowConsumer(directory, 1_000_000 * scale)),
      deleteAll: await inDirectory((directory) => deleteAll(directory, 1_000_000 * scale)),
    }
  : undefined;
if (long !== undefined) {
  const { resume, slowConsumer, deleteAll } = long;
  console.log(
    `\nresume ${1_000_000 * scale} events back: first ${resume.first.toFixed(1)} ms, last ${resume.last.toFixed(0)} ms`,
  );
  console.log(
    `slow consumer: ${slowConsumer.early.toFixed(0)} MiB early, ${slowConsumer.late.toFixed(0)} MiB late`,
  );
  console.log(
    `deleteAll: ${deleteAll.alone.toFixed(1)} ms alone, ${deleteAll.followed.toFixed(1)} ms followed, ${deleteAll.grew.toFixed(1)} MiB more`,
  );
}

/** The figure of one contender for another's. */
function ratio(scenario: string, ours: string, other: string, otherScenario = scenario): number {
  return (results[scenario]?.[ours] ?? Number.NaN) / (results[otherScenario]?.[other] ?? Number.NaN);
}

const batches = 'insert, batches of 100';
const handler = 'events that wait, to a handler';
const beside = 'batches beside a subscription to another class';
const targets: readonly (readonly [what: string, figure: number, limit: number, atLeast: boolean])[] = [
  ['get: bare lmdb', ratio('get, warm', 'ours', 'lmdb'), 0.6, true],
  ['get: better-sqlite3', ratio('get, warm', 'ours', 'sqlite'), 2, true],
  ['batches with events: bare lmdb', ratio(batches, 'ours, with events', 'lmdb'), 0.5, true],
  ['events to a handler: gets of bare lmdb', ratio(handler, 'ours', 'lmdb', 'get, warm'), 0.4, true],
  ['events to a handler: better-sqlite3 change table', ratio(handler, 'ours', 'sqlite'), 5, true],
  [
    'without events, somebody follows: nobody does',
    ratio(beside, 'somebody follows', 'nobody follows'),
    0.95,
    true,
  ],
  ...(long === undefined
    ? []
    : ([
        [
          'slow consumer: late for early memory',
          long.slowConsumer.late / long.slowConsumer.early,
          1.1,
          false,
        ],
        ['deleteAll: followed for alone', long.deleteAll.followed / long.deleteAll.alone, 2, false],
        ['deleteAll: MiB more', long.deleteAll.grew, 16, false],
      ] as const)),
];
console.log('');
for (const [what, figure, limit, atLeast] of targets) {
  if (Number.isNaN(figure)) continue;
  const isMet = atLeast ? figure >= limit : figure <= limit;
  console.log(
    `${isMet ? 'met   ' : 'missed'}  ${what.padEnd(52)} ${figure.toFixed(2)} (${atLeast ? '≥' : '≤'} ${limit})`,
  );
}

if (!options['no-save'] && !options.only) {
  const require = createRequire(import.meta.url);
  const version = (name: string): string => (require(`${name}/package.json`) as { version: string }).version;
  const date = new Date().toISOString();
  const folder = fileURLToPath(new URL('../results', import.meta.url));
  const versions = {
    node: process.version,
    lmdb: '3',
    'better-sqlite3': version('better-sqlite3'),
    level: version('level'),
  };
  mkdirSync(folder, { recursive: true });
  const saved = { date, machine: machine(), versions, rounds, scale, results, long, targets };
  writeFileSync(
    join(folder, `${date.slice(0, 10)}-embedded.json`),
    `${JSON.stringify(saved, undefined, 2)}\n`,
  );
}
