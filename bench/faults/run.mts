// `npm run bench:faults`: what the callers of a fleet see while one of its three servers is in trouble. See ../README.md.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connect, EventBase } from 'evenkeel';
import { ServerProcess } from '../../test/faults/servers.mts';
import { machine, versions } from '../machine.mts';
import { middle } from '../results.mts';
import { PacedLoad } from './paced.mts';
import { faultTable, type TroubleResult } from './table.mts';
import { type Trouble, troubles } from './troubles.mts';

const { values: options } = parseArgs({
  options: {
    rate: { type: 'string', default: '20000' },
    timeout: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '5' },
    base: { type: 'string', default: 'host' },
    only: { type: 'string', default: '' },
    'no-save': { type: 'boolean', default: false },
  },
});
const rate = Number(options.rate);
const timeout = Number(options.timeout);
const rounds = Number(options.rounds);

const pause = (seconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function round(trouble: Trouble): Promise<TroubleResult> {
  await using victim = await trouble.start();
  await using second = await ServerProcess.start();
  await using third = await ServerProcess.start();
  const names = [victim, second, third].map(({ name }) => name);
  const eventBase = options.base === 'thread' ? EventBase.create() : EventBase.host;
  const db = await connect(`memcached://${names.join(',')}`, { eventBase });
  const load = new PacedLoad(db, names, rate, timeout);
  await load.begin();
  await pause(0.5);
  load.look();
  await pause(2);
  const before = load.look();
  await victim.begin();
  await pause(trouble.seconds);
  const during = load.look();
  await victim.end();
  const recovery = await Promise.race([load.nextSuccess(0), pause(10).then(() => Number.NaN)]);
  await pause(1);
  const after = load.look();
  await load.end();
  await db.close();
  if (options.base === 'thread') await eventBase.close();
  const well = [...before, ...during, ...after].filter((_, i) => i % 3 > 0);
  const [, ...wellBefore] = before;
  const [hurt, ...wellDuring] = during;
  if (hurt === undefined) throw new Error('no tally');
  const p99 = (tallies: typeof well): number => Math.max(...tallies.map((each) => each.p99));
  return {
    id: trouble.id,
    title: trouble.title,
    operations: load.started,
    unsettled: load.started - load.settled,
    failedShare: hurt.started === 0 ? 0 : hurt.failed / hurt.started,
    failure: [...hurt.failures].sort(([, a], [, b]) => b - a)[0]?.[0],
    wellFailed: well.reduce((sum, each) => sum + each.failed, 0),
    latest: Math.max(...[...before, ...during, ...after].map((each) => each.latest)),
    p99Before: p99(wellBefore),
    p99During: p99(wellDuring),
    recovery,
  };
}

function medianOf(results: readonly TroubleResult[]): TroubleResult {
  const [first] = results;
  if (first === undefined) throw new Error('no rounds');
  const of = (field: 'failedShare' | 'p99Before' | 'p99During' | 'recovery'): number =>
    middle(results.map((each) => each[field]));
  const sum = (field: 'operations' | 'unsettled' | 'wellFailed'): number =>
    results.reduce((total, each) => total + each[field], 0);
  return {
    ...first,
    operations: sum('operations'),
    unsettled: sum('unsettled'),
    wellFailed: sum('wellFailed'),
    latest: Math.max(...results.map((each) => each.latest)),
    failedShare: of('failedShare'),
    p99Before: of('p99Before'),
    p99During: of('p99During'),
    recovery: of('recovery'),
  };
}

const chosen = troubles.filter(({ id }) => new RegExp(options.only).test(id));
// The first round of a process is the one in which its code is compiled.
if (chosen[0] !== undefined) await round(chosen[0]);
const results: TroubleResult[] = [];
const all: Record<string, TroubleResult[]> = {};
for (const trouble of chosen) {
  const measured: TroubleResult[] = [];
  for (let i = 0; i < rounds; i += 1) measured.push(await round(trouble));
  all[trouble.id] = measured;
  results.push(medianOf(measured));
  console.error(`${trouble.id}: measured`);
}
console.log(faultTable(results));
if (!options['no-save']) {
  const date = new Date().toISOString();
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const file = `${date.slice(0, 10)}-faults.json`;
  const record = {
    date,
    rounds,
    rate,
    timeout,
    base: options.base,
    machine: machine(),
    versions: versions(),
    results,
    all,
  };
  writeFileSync(`${folder}${file}`, `${JSON.stringify(record, null, 1)}\n`);
  console.log(`\nwritten: bench/results/${file}`);
}
