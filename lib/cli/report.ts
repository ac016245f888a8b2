import type { Run } from '../workload/driver';
import { codeOf, messageOf } from '../workload/tally';
import type { Measurement } from './measure';

/** A progress line of a run. */
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

/** The table of measurements and what has to be said about them. Lines without a final line break. */
export function table(measurements: readonly Measurement[]): string {
  const header = [
    'workload',
    'op/s',
    'hits',
    'misses',
    'expected',
    'p50',
    'p90',
    'p99',
    'p99.9',
    'max',
    'CPU/op',
    'errors',
  ];
  return columns([header, ...measurements.map(rowOf)]);
}

/** What the table cannot hold: a line each, without final line breaks. */
export function notes(measurements: readonly Measurement[]): string[] {
  const first = measurements[0];
  if (first === undefined) return [];
  const own = Math.max(...measurements.map((entry) => entry.cpu.ofWorkload));
  const lines = [
    `CPU/op: ${first.cpu.scope}, of which the workload generator and its clock take up to ${own.toFixed(2)} µs.`,
    'misses: share of reads that found nothing; expected: the production miss ratio of the profile.',
  ];
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
    for (const [code, count] of Object.entries(entry.refusals))
      lines.push(`${name}: ${count} answered ${code}.`);
    for (const [code, count] of Object.entries(entry.errors)) {
      const message = entry.messages[code] ?? '';
      lines.push(`${name}: ${count} failed with ${code}${message === '' ? '' : `, first: ${message}`}`);
    }
  }
  return lines;
}

/** Beyond five standard deviations of what chance explains, and visibly. */
function missesTooMuch({ reads, missRatio = 0, expectedMissRatio: expected }: Measurement): boolean {
  return missRatio - expected > 0.002 + 5 * Math.sqrt((expected * (1 - expected)) / Math.max(reads, 1));
}

function rowOf(entry: Measurement): string[] {
  const { latency, cpu } = entry;
  const failed = Object.values(entry.errors).reduce((sum, count) => sum + count, 0);
  const timed = latency.count > 0;
  return [
    entry.workload,
    rate(entry.operationsPerSecond),
    entry.hitRatio === undefined ? '-' : percent(entry.hitRatio),
    entry.missRatio === undefined ? '-' : percent(entry.missRatio),
    percent(entry.expectedMissRatio),
    ...[latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map((us) =>
      timed ? duration(us) : '-',
    ),
    cpu.perOperation === undefined ? '-' : `${cpu.perOperation.toFixed(2)} µs`,
    String(failed),
  ];
}

/** Aligns cells: the first column left, the rest right. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    });
  }
  const align = (cell: string, index: number) =>
    index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0);
  return rows.map((row) => row.map(align).join('  ').trimEnd()).join('\n');
}

function rate(perSecond: number): string {
  if (perSecond >= 100_000) return `${(perSecond / 1000).toFixed(0)}k`;
  return perSecond >= 1000 ? `${(perSecond / 1000).toFixed(1)}k` : perSecond.toFixed(0);
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(2)}%`;
}

/** Microseconds for people. */
export function duration(microseconds: number): string {
  if (microseconds >= 1_000_000) return `${(microseconds / 1_000_000).toFixed(2)} s`;
  if (microseconds >= 1000) return `${(microseconds / 1000).toFixed(2)} ms`;
  return `${microseconds.toFixed(0)} µs`;
}

/** For an error that ends a command, e.g. "EVENKEEL_TIMEOUT: no answer within 500 ms". */
export function oneLine(error: unknown): string {
  const code = codeOf(error);
  const message = messageOf(error);
  return code === 'Error' || message.startsWith(code) ? message : `${code}: ${message}`;
}
