// npm run bench:embedded [-- --rounds 5 --scale 1 --only <pattern> --long --no-save]. bench/README.md says what is measured.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { machine, packageVersion } from '../machine.mts';
import { middle } from '../results.mts';
import { verdictLines } from '../targets.mts';
import { inDirectory } from './load.mts';
import type { Long } from './long.mts';
import { scenarios } from './scenarios.mts';
import { type Rates, verdicts } from './targets.mts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    long: { type: 'boolean', default: false },
    'no-save': { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const scale = Number(options.scale);
const only = new RegExp(options.only);

function print(name: string, rates: Rates): void {
  console.log(`\n${name}`);
  const [first = 1] = Object.values(rates);
  for (const [contender, rate] of Object.entries(rates)) {
    const figure = Math.round(rate).toLocaleString('en').padStart(11);
    console.log(`  ${contender.padEnd(24)} ${figure} /s   ${(rate / first).toFixed(2)} ×`);
  }
}

/** What a script says that has a process of its own, with the same loaders. */
async function apart(script: string, ...args: string[]): Promise<unknown> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, file, ...args]);
  return JSON.parse(stdout);
}

async function measure<Part extends keyof Long>(part: Part, count: number): Promise<Long[Part]> {
  return (await inDirectory((directory) => apart('long.mts', part, directory, String(count)))) as Long[Part];
}

async function measureLong(): Promise<Partial<Long>> {
  const million = 1_000_000 * scale;
  let long: Partial<Long> = {};
  if (only.test('resume')) {
    const resume = await measure('resume', million);
    long = { ...long, resume };
    console.log(`\nresume ${million.toLocaleString('en')} events back`);
    console.log(`  first ${resume.first.toFixed(1)} ms, last ${resume.last.toFixed(0)} ms`);
  }
  if (only.test('wake-up')) {
    const wakeUp = await measure('wakeUp', Math.max(1, 300 * scale));
    long = { ...long, wakeUp };
    console.log(`\nwake-up of another process, from the end of a commit\n  ${wakeUp.median.toFixed(2)} ms`);
  }
  if (only.test('slow consumer')) {
    const count = options.long ? 10 * million : million;
    const slowConsumer = await measure('slowConsumer', count);
    long = { ...long, slowConsumer };
    const { resident, own, mostWaiting } = slowConsumer;
    const thirds = ({ early, late }: typeof own) =>
      `${early.toFixed(0)} MiB early, ${late.toFixed(0)} MiB late`;
    console.log(`\nslow consumer, ${count.toLocaleString('en')} events, at most ${mostWaiting} waiting`);
    console.log(`  resident ${thirds(resident)}; without mapped files ${thirds(own)}`);
  }
  if (only.test('deleteAll')) {
    const deleteAll = await measure('deleteAll', million);
    const deleteAllFollowed = await measure('deleteAllFollowed', million);
    long = { ...long, deleteAll, deleteAllFollowed };
    const told = ({ took, grew }: typeof deleteAll) => `${took.toFixed(1)} ms and ${grew.toFixed(1)} MiB`;
    console.log(`\ndeleteAll of ${million.toLocaleString('en')} records`);
    console.log(`  alone ${told(deleteAll)}, followed ${told(deleteAllFollowed)}`);
  }
  return long;
}

const all: Record<string, Record<string, number[]>> = {};
const results: Record<string, Rates> = {};
for (const name of Object.keys(scenarios)) {
  if (!only.test(name)) continue;
  // None is measured with what the compiler and the heap have from another.
  const measured = (await apart('measure.mts', name, options.rounds, options.scale)) as Record<
    string,
    number[]
  >;
  all[name] = measured;
  const rates = Object.fromEntries(Object.entries(measured).map(([each, of]) => [each, middle(of)]));
  results[name] = rates;
  print(name, rates);
}
const long = await measureLong();
const reached = verdicts(results, long);
console.log(`\ntargets\n${verdictLines(reached)}`);

if (!options['no-save'] && options.only === '') {
  const date = new Date().toISOString();
  const versions = {
    node: process.version,
    lmdb: packageVersion('lmdb'),
    'better-sqlite3': packageVersion('better-sqlite3', import.meta.url),
    level: packageVersion('level', import.meta.url),
  };
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const name = `${date.slice(0, 10)}-embedded.json`;
  const saved = { date, machine: machine(), versions, rounds, scale, results, all, long, targets: reached };
  writeFileSync(`${folder}${name}`, `${JSON.stringify(saved, undefined, 1)}\n`);
  console.log(`written: bench/results/${name}`);
}
