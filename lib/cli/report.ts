import type { Run } from '../workload/driver';
import { codeOf, messageOf } from '../workload/tally';
import { type Column, fitted } from './layout';
import type { Measurement } from './measurement';

/** The progress line of a run. */
export function describe(label: string, run: Run): string {
  const { tally, elapsedMs } = run;
  const seconds = elapsedMs / 1000;
  const { missRatio, failed } = tally;
  const parts = [
    `${label}: ${seconds.toFixed(1)} s`,
    `${rate(seconds === 0 ? 0 : tally.operations / seconds)} op/s`,
    ...(missRatio === undefined ? [] : [`hits ${percent(1 - missRatio)}`]),
    `p99 ${duration(tally.latency.summary().p99)}`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
  ];
  return parts.join('  ');
}

/** The lines above the table: what was replayed, and where. */
export function heading(where: string, measurements: readonly Measurement[]): string {
  const which = measurements.length === 1 ? 'The workload repeats' : 'Each workload repeats';
  return [
    where,
    `${which} what a production cache cluster was asked in a week: its commands, sizes, popular keys and misses.`,
    ...measurements.map(mixOf),
  ].join('\n');
}

/** The table of measurements, in at most `width` characters per line. */
export function table(measurements: readonly Measurement[], width: number): string {
  return fitted(measurements, COLUMNS, width);
}

/** Lines below the table: what it has no room for, and the summary. Without trailing line breaks. */
export function notes(measurements: readonly Measurement[]): string[] {
  const first = measurements[0];
  if (first === undefined) return [];
  const own = Math.max(...measurements.map((entry) => entry.cpu.ofWorkload));
  const lines = [
    `CPU/op: ${first.cpu.scope}, of which the workload generator and its clock take up to ${own.toFixed(2)} µs.`,
    'misses: share of reads that found nothing; expected: the production miss ratio of the profile.',
  ];
  const refused = measurements
    .map((entry) => ({ name: entry.workload, count: sum(entry.refusals) }))
    .filter(({ count }) => count > 0);
  if (refused.length > 0) {
    lines.push(
      'Some writes of a mix are meant to be turned down (the key exists, or another write came first). They are answers, ' +
        `not errors: ${refused.map(({ name, count }) => `${name} ${grouped(count)}`).join(', ')}.`,
    );
  }
  for (const entry of measurements) {
    const name = entry.workload;
    if (entry.interrupted) lines.push(`${name}: interrupted after ${entry.seconds.toFixed(1)} s.`);
    if (entry.prefilled < entry.residents) {
      lines.push(`${name}: only ${entry.prefilled} of ${entry.residents} keys were stored before the run.`);
    }
    if (missesTooMuch(entry)) {
      lines.push(
        `${name}: more misses than expected, so the server evicts or expires keys; try a smaller --memory.`,
      );
    }
    if (entry.fills > 0) lines.push(`${name}: ${entry.fills} misses filled on top of the mix.`);
    if (entry.evictions > 0) lines.push(`${name}: ${entry.evictions} old fills removed on top of the mix.`);
    if (entry.assumed.length > 0) {
      lines.push(`${name}: not in the source, so assumed: ${entry.assumed.join(', ')}.`);
    }
    for (const [code, count] of Object.entries(entry.errors)) {
      const message = entry.messages[code] ?? '';
      lines.push(`${name}: ${count} failed with ${code}${message === '' ? '' : `, first: ${message}`}`);
    }
  }
  return [...lines, '', total(measurements)];
}

function total(measurements: readonly Measurement[]): string {
  const operations = measurements.reduce((count, entry) => count + entry.operations, 0);
  const failed = measurements.reduce((count, entry) => count + sum(entry.errors), 0);
  const failures = failed === 0 ? 'none failed' : `${grouped(failed)} failed`;
  return `${grouped(operations)} operations were answered; ${failures}.`;
}

/** More than five standard deviations above the expected ratio, and by a visible amount. */
function missesTooMuch({ reads, missRatio = 0, expectedMissRatio: expected }: Measurement): boolean {
  return missRatio - expected > 0.002 + 5 * Math.sqrt((expected * (1 - expected)) / Math.max(reads, 1));
}

const COLUMNS: readonly Column<Measurement>[] = [
  { head: 'workload', cell: (entry) => entry.workload },
  { head: 'op/s', cell: (entry) => rate(entry.operationsPerSecond) },
  { head: 'hits', cell: (entry) => ratio(entry.hitRatio), dispensable: 3 },
  { head: 'misses', cell: (entry) => ratio(entry.missRatio) },
  { head: 'expected', cell: (entry) => percent(entry.expectedMissRatio) },
  { head: 'p50', cell: latency('p50') },
  { head: 'p90', cell: latency('p90'), dispensable: 5 },
  { head: 'p99', cell: latency('p99') },
  { head: 'p99.9', cell: latency('p999'), dispensable: 4 },
  { head: 'max', cell: latency('max'), dispensable: 2 },
  {
    head: 'CPU/op',
    cell: ({ cpu }) => (cpu.perOperation === undefined ? '-' : `${cpu.perOperation.toFixed(2)} µs`),
    dispensable: 1,
  },
  { head: 'errors', cell: (entry) => String(sum(entry.errors)) },
];

function latency(which: 'p50' | 'p90' | 'p99' | 'p999' | 'max'): (entry: Measurement) => string {
  return ({ latency }) => (latency.count > 0 ? duration(latency[which]) : '-');
}

function mixOf({ workload, mix, keyBytes, valueBytes }: Measurement): string {
  const commands = mix.map(({ item, share }) => `${Math.round(share * 100)} % ${item}`).join(', ');
  return `${workload}: ${commands}; keys of ${keyBytes} bytes, values of ${grouped(valueBytes)}`;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

function ratio(share: number | undefined): string {
  return share === undefined ? '-' : percent(share);
}

/** A rate or count for display. */
export function rate(perSecond: number): string {
  if (perSecond >= 1_000_000) return `${(perSecond / 1_000_000).toFixed(1)}M`;
  if (perSecond >= 100_000) return `${(perSecond / 1000).toFixed(0)}k`;
  return perSecond >= 1000 ? `${(perSecond / 1000).toFixed(1)}k` : perSecond.toFixed(0);
}

export function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(2)}%`;
}

/** A duration in microseconds for display. */
export function duration(microseconds: number): string {
  if (microseconds >= 1_000_000) return `${(microseconds / 1_000_000).toFixed(2)} s`;
  if (microseconds >= 1000) return `${(microseconds / 1000).toFixed(2)} ms`;
  return `${microseconds.toFixed(0)} µs`;
}

/** The error that ends a command as one line, such as "EVENKEEL_TIMEOUT: no answer within 500 ms". */
export function oneLine(error: unknown): string {
  const code = codeOf(error);
  const message = messageOf(error);
  return code === 'Error' || message.startsWith(code) ? message : `${code}: ${message}`;
}
