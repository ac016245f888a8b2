// The rounds of a run and their medians. A median of each figure by itself: a round that lost its processor to a
// neighbour should not count, whichever figure shows it.
import type { Measurement } from './measurement.mts';
import { evenkeels, meta, npmClients, raw, type Scenario } from './plan.mts';

export interface ScenarioResult {
  scenario: Scenario;
  rounds: Record<string, Measurement[]>;
  medians: Record<string, Measurement>;
  /** Why a contender has no numbers here. */
  failures: Record<string, string>;
}

export function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return sorted.length % 2 ? upper : (upper + (sorted[sorted.length / 2 - 1] ?? upper)) / 2;
}

export function median(rounds: Measurement[]): Measurement {
  const of = (name: keyof Measurement) => middle(rounds.map((round) => round[name]));
  return {
    operations: of('operations'),
    seconds: of('seconds'),
    operationsPerSecond: of('operationsPerSecond'),
    cpuPerOperation: of('cpuPerOperation'),
    p50: of('p50'),
    p99: of('p99'),
    idleRss: of('idleRss'),
    peakRss: of('peakRss'),
  };
}

/** The npm memcached client with the most operations a second in this scenario. */
export function bestNpm(result: ScenarioResult): Measurement | undefined {
  return npmClients
    .flatMap((name) => result.medians[name] ?? [])
    .reduce<Measurement | undefined>(
      (best, m) => (best && best.operationsPerSecond >= m.operationsPerSecond ? best : m),
      undefined,
    );
}

function ratio(value: number, base: number | undefined): string {
  if (!base) return '';
  const r = value / base;
  return `${r >= 10 ? r.toFixed(1) : r.toFixed(2)}×`;
}

function pad(cells: string[], widths: number[]): string {
  return cells
    .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
    .join('  ');
}

export function table(result: ScenarioResult): string {
  const { scenario, medians, failures } = result;
  const base = medians[raw]?.operationsPerSecond;
  const memjs = medians.memjs?.operationsPerSecond;
  const best = bestNpm(result)?.operationsPerSecond;
  const head = [
    scenario.id,
    'op/s',
    'of raw',
    'of memjs',
    'of best npm',
    'CPU µs/op',
    'p50 µs',
    'p99 µs',
    'RSS MB',
    'above idle',
  ];
  const rows = scenario.contenders.map((name) => {
    const m = medians[name];
    if (!m) return [name, failures[name] ?? 'not measured'];
    const rate = m.operationsPerSecond;
    return [
      name,
      Math.round(rate).toLocaleString('en'),
      ratio(rate, base),
      ratio(rate, memjs),
      ratio(rate, best),
      m.cpuPerOperation.toFixed(m.cpuPerOperation < 100 ? 2 : 0),
      m.p50.toFixed(1),
      m.p99.toFixed(1),
      (m.peakRss / 1e6).toFixed(0),
      (Math.max(0, m.peakRss - m.idleRss) / 1e6).toFixed(1),
    ];
  });
  const full = [head, ...rows.filter((row) => row.length === head.length)];
  const widths = head.map((_, i) => Math.max(...full.map((row) => row[i]?.length ?? 0)));
  widths[0] = Math.max(widths[0] ?? 0, ...scenario.contenders.map((name) => name.length));
  return [head, ...rows]
    .map((row) => (row.length === 2 ? `${row[0]}  (${row[1]})` : pad(row, widths)))
    .join('\n');
}

export function isEvenkeel(name: string): boolean {
  return evenkeels.includes(name) || name === meta;
}
