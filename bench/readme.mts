// npm run bench:readme -- bench/results/<name>.json: writes the README's table of speed from a saved run. No number in
// the README is typed by hand; test/integration/readme.test.mts compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Measurement } from './measurement.mts';

interface SavedRun {
  date: string;
  rounds: number;
  machine: { cpu: string; cores: number; kernel: string };
  versions: Record<string, string>;
  scenarios: { id: string; medians: Record<string, Measurement | undefined> }[];
}

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = `${root}README.md`;
const begin = '<!-- speed: written by bench/readme.mts -->';
const end = '<!-- /speed -->';

const shown: readonly [id: string, title: string][] = [
  ['memcached/get/256', 'get'],
  ['memcached/set/256', 'set'],
  ['memcached/mix/256', '80 % get, 20 % set'],
  ['canned/get/256', 'get, from a responder that costs nothing'],
];
const contenders = ['evenkeel-host', 'evenkeel-thread', 'memjs', 'memcached', 'memcache-client', 'raw-cpp'];

function thousands(rate: number): string {
  return `${Math.round(rate / 1000).toLocaleString('en')} k`;
}

function row(title: string, medians: Record<string, Measurement | undefined>): string {
  const cells = contenders.map((name) => {
    const m = medians[name];
    return m === undefined ? '' : `${thousands(m.operationsPerSecond)} (${m.cpuPerOperation.toFixed(2)})`;
  });
  return `| ${[title, ...cells].join(' | ')} |`;
}

/** The README's section for a saved run. `file` is its path from the project's root. */
export function speedSection(run: SavedRun, file: string): string {
  const rows = shown.flatMap(([id, title]) => {
    const scenario = run.scenarios.find((each) => each.id === id);
    return scenario === undefined ? [] : [row(title, scenario.medians)];
  });
  const { machine, versions } = run;
  return `${begin}
Operations a second, and in brackets the client's CPU time for each in µs; 100-byte values, 256 operations in flight on one
connection to \`memcached -t 1\` on the same machine, median of ${run.rounds} rounds:

| | ${contenders.join(' | ')} |
|---|${contenders.map(() => '---:').join('|')}|
${rows.join('\n')}

${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${versions.node}, memcached ${versions.memcached},
${run.date.slice(0, 10)}. \`raw-cpp\` is a bare epoll loop in C++: the floor. Client and server share the two cores, so ratios
within a row tell more than the figures. \`npm run bench\` measures it; [the run](${file}),
[a chart](${file.replace(/json$/, 'svg')}), [what is measured and how](bench/README.md).
${end}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = process.argv[2];
  if (file === undefined) throw new Error('usage: npm run bench:readme -- bench/results/<name>.json');
  const section = speedSection(JSON.parse(readFileSync(file, 'utf8')) as SavedRun, relative(root, file));
  const text = readFileSync(readme, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end) + end.length;
  if (from < 0 || to < from) throw new Error(`README.md has no ${begin} … ${end}`);
  writeFileSync(readme, text.slice(0, from) + section + text.slice(to));
}
