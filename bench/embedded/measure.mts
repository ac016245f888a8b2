// One scenario, in a process of its own. Started by run.mts: `measure.mts <scenario> <rounds> <scale>`; what each contender
// reached in every round goes to stdout as JSON.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { inDirectory, type Scenario } from './load.mts';
import { scenarios } from './scenarios.mts';

/** Another contender goes first each time. */
async function measure(
  { writers = {}, readers = [] }: Scenario,
  rounds: number,
  scale: number,
): Promise<Record<string, number[]>> {
  return inDirectory(async (kept) => {
    const opened = [];
    for (const [i, open] of readers.entries()) {
      const directory = join(kept, String(i));
      mkdirSync(directory);
      opened.push(await open(directory, scale));
    }
    const runs: (readonly [string, () => Promise<number>])[] = [
      ...Object.entries(writers).map(
        ([name, write]) => [name, () => inDirectory((directory) => write(directory, scale))] as const,
      ),
      ...opened.flatMap(({ rates }) => Object.entries(rates)),
    ];
    const measured: Record<string, number[]> = Object.fromEntries(runs.map(([name]) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      const first = round % runs.length;
      for (const [name, run] of [...runs.slice(first), ...runs.slice(0, first)])
        measured[name]?.push(await run());
    }
    for (const each of opened) await each.close();
    return measured;
  });
}

const [name = '', rounds, scale] = process.argv.slice(2);
const scenario = scenarios[name];
if (scenario === undefined) throw new Error('started by run.mts');
console.log(JSON.stringify(await measure(scenario, Number(rounds), Number(scale))));
