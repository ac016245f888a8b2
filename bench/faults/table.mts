// The table of a run of `npm run bench:faults`, for the terminal; and, run as a program with the file of a saved run, for
// docs/reliability.md: `npm run bench:faults-table -- bench/results/<date>-faults.json`. No figure there is typed by hand.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type SavedRun, savedRun } from '../readme.mts';

/** Of one trouble. Times are in ms. */
export interface TroubleResult {
  readonly id: string;
  readonly title: string;
  readonly operations: number;
  /** Operations without any outcome a second after the last deadline. */
  readonly unsettled: number;
  /** Of the operations on the server in trouble. */
  readonly failedShare: number;
  /** The error that most of them had. */
  readonly failure: string | undefined;
  /** Operations on the other servers that failed. */
  readonly wellFailed: number;
  /** The latest outcome beyond its deadline, less what this process's loop was held up. */
  readonly latest: number;
  /** Of the other servers. */
  readonly p99Before: number;
  readonly p99During: number;
  /** From its return to the first operation on it that succeeds. */
  readonly recovery: number;
}

const COLUMNS = [
  'one of three servers',
  'its failed operations',
  'failed operations on the others',
  'p99 of the others, ms, before → during',
  'latest outcome after its deadline, ms',
  'back in use after, ms',
];

export function faultTable(results: readonly TroubleResult[]): string {
  const rows = results.map((each) => [
    each.title,
    `${(each.failedShare * 100).toFixed(0)} %`,
    `${each.wellFailed}`,
    `${each.p99Before.toFixed(1)} → ${each.p99During.toFixed(1)}`,
    `${Math.max(0, each.latest).toFixed(0)}`,
    `${each.recovery.toFixed(0)}`,
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(COLUMNS), `|---|${'---:|'.repeat(COLUMNS.length - 1)}`, ...rows.map(line)].join('\n');
}

interface FaultRun extends SavedRun {
  readonly base: string;
  readonly rate: number;
  /** ms. */
  readonly timeout: number;
  readonly results: readonly TroubleResult[];
}

const begin = '<!-- faults: written by bench/faults/table.mts -->';
const end = '<!-- /faults -->';

/** The section of docs/reliability.md for a saved run. `file`: its path. */
export function faultSection(path: string): string {
  const { run, file } = savedRun<FaultRun>(path);
  const { machine, versions, date, rate, timeout, rounds, base, results } = run;
  const operations = results.reduce((sum, each) => sum + each.operations, 0);
  const unsettled = results.reduce((sum, each) => sum + each.unsettled, 0);
  return `${begin}
${rate.toLocaleString('en')} operations a second on three real servers, from ${base === 'thread' ? 'a thread base' : 'the host base'}, four gets to one set, with a deadline of ${timeout} ms and
otherwise default options. The figures are medians of ${rounds} rounds; the latest outcome is the maximum. Of ${operations.toLocaleString('en')} operations ${unsettled} did not settle.

${faultTable(results)}

${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${versions.node}, memcached ${versions.memcached}, ${date.slice(0, 10)}. Client and servers share
the cores. The latest outcome excludes the time for which this process's own loop was blocked. \`npm run bench:faults\` measures this; the run is
\`${file}\`.
${end}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , path] = process.argv;
  if (path === undefined)
    throw new Error('usage: npm run bench:faults-table -- bench/results/<date>-faults.json');
  const document = fileURLToPath(new URL('../../docs/reliability.md', import.meta.url));
  const text = readFileSync(document, 'utf8');
  const section = new RegExp(`${begin}[\\s\\S]*${end}`);
  writeFileSync(
    document,
    text.replace(section, () => faultSection(path)),
  );
}
