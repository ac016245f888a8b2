// npm run bench:readme -- bench/results/<date>-core.json bench/results/<date>-embedded.json: writes the README's tables of
// speed from saved runs. No number in the README is typed by hand; test/integration/readme.test.mts compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Measurement } from './measurement.mts';

export interface SavedRun {
  date: string;
  rounds: number;
  machine: { cpu: string; cores: number; kernel: string };
  versions: Record<string, string>;
}

interface CoreRun extends SavedRun {
  scenarios: { id: string; medians: Record<string, Measurement | undefined> }[];
}

interface EmbeddedRun extends SavedRun {
  results: Record<string, Record<string, number>>;
}

/** A saved run and its path from the project's root. */
interface Saved<Run> {
  readonly run: Run;
  readonly file: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = `${root}README.md`;
const begin = '<!-- speed: written by bench/readme.mts -->';
const end = '<!-- /speed -->';

const shown: readonly [id: string, title: string][] = [
  ['memcached/get/256', 'get'],
  ['memcached/set/256', 'set'],
  ['memcached/mix/256', '80 % get, 20 % set'],
  ['canned/get/256', 'get, from a responder with no work to do'],
];
const contenders = ['evenkeel-host', 'evenkeel-thread', 'memjs', 'memcached', 'memcache-client', 'raw-cpp'];

const embedded: readonly [scenario: string, title: string, contenders: readonly (string | undefined)[]][] = [
  ['get, warm', 'get', ['ours', 'lmdb', 'sqlite', 'level']],
  [
    'insert, durable, 256 in flight',
    'insert, 256 in flight, synced',
    ['ours', 'lmdb, durable', 'sqlite', 'level'],
  ],
  [
    'insert, batches of 100',
    'insert in transactions of 100, synced',
    ['ours, with events', 'lmdb, durable', 'sqlite', 'level'],
  ],
  ['range of 100 by an index, records', 'records by an index, 100 at a time', ['ours', 'lmdb', 'sqlite']],
  [
    'update with one subscriber, to its last event',
    'update, until its event was handled',
    ['ours', undefined, 'sqlite'],
  ],
  ['events that wait', 'stored events, to a handler', ['ours, to a handler', undefined, 'sqlite']],
];
const embeddedColumns = ['evenkeel', 'lmdb', 'better-sqlite3', 'level'];

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

function machineOf({ machine, versions, date }: SavedRun, ...packages: string[]): string {
  const software = ['Node', ...packages].map((name) => `${name} ${versions[name.toLowerCase()]}`).join(', ');
  return `${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, ${software},\n${date.slice(0, 10)}.`;
}

function table(columns: readonly string[], rows: readonly string[]): string {
  return `| | ${columns.join(' | ')} |\n|---|${columns.map(() => '---:').join('|')}|\n${rows.join('\n')}`;
}

function coreText({ run, file }: Saved<CoreRun>): string {
  const rows = shown.flatMap(([id, title]) => {
    const scenario = run.scenarios.find((each) => each.id === id);
    return scenario === undefined ? [] : [row(title, scenario.medians)];
  });
  return `Operations a second, with the client's CPU time for each in µs in parentheses. Values of 100 bytes, 256 operations in flight on one
connection to \`memcached -t 1\` on the same machine, evenkeel with \`protocol: 'binary'\`, median of ${run.rounds} rounds:

${table(contenders, rows)}

${machineOf(run, 'memcached')} \`raw-cpp\`, a bare epoll loop in C++, is the floor. Client and server share the two cores, so ratios
within a row are more reliable than the figures. \`npm run bench\` measures this; [bench/README.md](bench/README.md) says how. The run
and a chart of it are in the source tree: \`${file}\`, \`${file.replace(/json$/, 'svg')}\`.`;
}

function embeddedText({ run, file }: Saved<EmbeddedRun>): string {
  const rows = embedded.flatMap(([scenario, title, names]) => {
    const rates = run.results[scenario];
    if (rates === undefined) return [];
    const cells = embeddedColumns.map((_each, i) => {
      const rate = rates[names[i] ?? ''];
      return rate === undefined ? '' : thousands(rate);
    });
    return [`| ${[title, ...cells].join(' | ')} |`];
  });
  return `The embedded engine in records or events a second, next to bare \`lmdb\` (no checks, no events), \`better-sqlite3\` with a table of
changes written by triggers, and \`level\`; median of ${run.rounds} rounds:

${table(embeddedColumns, rows)}

${machineOf(run, 'lmdb', 'better-sqlite3', 'level')} \`npm run bench:embedded\` measures this; the run is \`${file}\`.`;
}

/** The README's section for saved runs. */
export function speedSection(core: Saved<CoreRun>, embedded: Saved<EmbeddedRun>): string {
  return `${begin}\n${coreText(core)}\n\n${embeddedText(embedded)}\n${end}`;
}

export function savedRun<Run>(file: string): Saved<Run> {
  return { run: JSON.parse(readFileSync(file, 'utf8')) as Run, file: relative(root, file) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [core, embedded] = process.argv.slice(2);
  if (core === undefined || embedded === undefined)
    throw new Error(
      'usage: npm run bench:readme -- bench/results/<date>-core.json bench/results/<date>-embedded.json',
    );
  const section = speedSection(savedRun(core), savedRun(embedded));
  const text = readFileSync(readme, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end) + end.length;
  if (from < 0 || to < from) throw new Error(`README.md has no ${begin} … ${end}`);
  writeFileSync(readme, text.slice(0, from) + section + text.slice(to));
}
