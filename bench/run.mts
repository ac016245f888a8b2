// `npm run bench`: runs a set of scenarios with all contenders side by side. See README.md for the options.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from './build.mts';
import { chart } from './chart.mts';
import { machine, versions } from './machine.mts';
import { loopFloor, loopFloorScenario, type Scenario, sets } from './plan.mts';
import { median, type ScenarioResult, table } from './results.mts';
import { Runner, type Span } from './runner.mts';
import { Servers } from './servers.mts';
import { fleetVerdicts, type Verdict, verdictLines, verdicts } from './targets.mts';

const { values: options } = parseArgs({
  options: {
    set: { type: 'string', default: 'core' },
    quick: { type: 'boolean', default: false },
    targets: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    contenders: { type: 'string', default: '' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    list: { type: 'boolean', default: false },
    'no-save': { type: 'boolean', default: false },
  },
});

const setName = options.quick ? 'quick' : options.targets ? 'targets' : options.set;
const rounds = Number(options.rounds ?? (options.quick ? 1 : 5));
const seconds = Number(options.seconds ?? (options.quick ? 1 : 3));
const span: Span = { warmupSeconds: Math.min(1, seconds / 2), seconds };

function chosen(): Scenario[] {
  const all = sets[setName];
  if (!all) throw new Error(`--set is one of ${Object.keys(sets).join(', ')}`);
  const pattern = new RegExp(options.only);
  const names = options.contenders.split(',').filter(Boolean);
  return all
    .filter((s) => pattern.test(s.id))
    .map((s) =>
      names.length ? { ...s, contenders: s.contenders.filter((name) => names.includes(name)) } : s,
    )
    .filter((s) => s.contenders.length > 0);
}

/** One round after another, all contenders in each: a slow minute of the machine is everybody's. */
async function runScenario(runner: Runner, scenario: Scenario): Promise<ScenarioResult> {
  const result: ScenarioResult = { scenario, rounds: {}, medians: {}, failures: {} };
  for (let round = 0; round < rounds; round++) {
    // Another one goes first each time, so that no contender always follows the same neighbour's wake.
    const order = scenario.contenders.map((_, i, all) => all[(i + round) % all.length] ?? '');
    for (const name of order) {
      if (result.failures[name]) continue;
      try {
        const measured = result.rounds[name] ?? [];
        measured.push(await runner.measure(name, scenario, span));
        result.rounds[name] = measured;
      } catch (error) {
        result.failures[name] = firstLine(error);
      }
    }
  }
  for (const [name, measured] of Object.entries(result.rounds)) {
    if (!result.failures[name]) result.medians[name] = median(measured);
  }
  return result;
}

/** The child's own words, when it had any. */
function firstLine(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  const line = (said.trim() || String(error)).split('\n')[0] ?? '';
  // Where the tree lies is nobody's business in a result that is kept.
  return line.replaceAll(fileURLToPath(new URL('..', import.meta.url)), '').slice(0, 160);
}

function verdictsOf(results: readonly ScenarioResult[]): Verdict[] {
  const byId = new Map(results.map((each) => [each.scenario.id, each]));
  return setName === 'fleet' ? fleetVerdicts(byId) : verdicts(byId);
}

function save(results: ScenarioResult[], floor: number): void {
  const date = new Date().toISOString();
  const name = `${date.slice(0, 10)}-${setName}`;
  const where = machine();
  const found = versions();
  const folder = fileURLToPath(new URL('./results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const record = {
    date,
    set: setName,
    rounds,
    ...span,
    machine: where,
    versions: found,
    loopFloorCpuPerOperation: floor,
    scenarios: results.map(({ scenario, ...rest }) => ({ ...scenario, ...rest })),
    targets: verdictsOf(results),
  };
  writeFileSync(`${folder}${name}.json`, `${JSON.stringify(record, null, 1)}\n`);
  const subtitle = `Median of ${rounds}. ${where.cpu}, ${where.cores} cores, Node ${found.node}, memcached ${found.memcached}, ${date.slice(0, 10)}`;
  writeFileSync(
    `${folder}${name}.svg`,
    chart(
      `Operations a second, one connection${setName === 'fleet' ? ' to each server' : ''}`,
      subtitle,
      results,
    ),
  );
  console.log(`written: bench/results/${name}.json and .svg`);
}

async function main(): Promise<void> {
  const scenarios = chosen();
  if (options.list || scenarios.length === 0) {
    for (const s of scenarios) console.log(`${s.id}: ${s.contenders.join(', ')}`);
    return;
  }
  const built = build();
  const servers = new Servers(built.cannedServer);
  try {
    const runner = new Runner(built, (kind, scenario) => servers.of(kind, scenario));
    const floor = await runner.measure(loopFloor, loopFloorScenario, span);
    console.log(`loop floor: ${floor.cpuPerOperation.toFixed(3)} µs of CPU an operation\n`);
    const results: ScenarioResult[] = [];
    for (const scenario of scenarios) {
      const result = await runScenario(runner, scenario);
      results.push(result);
      console.log(`${table(result)}\n`);
    }
    if (options.targets || setName === 'fleet') {
      console.log(`targets\n${verdictLines(verdictsOf(results))}\n`);
    }
    if (!options['no-save']) save(results, floor.cpuPerOperation);
  } finally {
    await servers.stop();
  }
}

await main();
