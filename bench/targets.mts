// What the client promises, each promise a line that is reached, missed or not measured in this run.
import type { Measurement } from './measurement.mts';
import { meta, raw } from './plan.mts';
import { bestNpm, type ScenarioResult } from './results.mts';

export interface Verdict {
  target: string;
  /** The figure beside its limit; undefined when a part of it was not measured. */
  value: number | undefined;
  limit: number;
  reached: boolean | undefined;
}

type Results = ReadonlyMap<string, ScenarioResult>;
type Field = 'operationsPerSecond' | 'cpuPerOperation' | 'p50';

const host = 'evenkeel-host';
const thread = 'evenkeel-thread';

export function atLeast(target: string, limit: number, value: number | undefined): Verdict {
  const reached = value === undefined ? undefined : value >= limit;
  return { target: `${target} ≥ ${limit} ×`, value, limit, reached };
}

export function atMost(target: string, limit: number, value: number | undefined, unit = '×'): Verdict {
  const reached = value === undefined ? undefined : value <= limit;
  return { target: `${target} ≤ ${Number(limit.toFixed(3))} ${unit}`, value, limit, reached };
}

export function verdicts(results: Results): Verdict[] {
  const at = (id: string, name: string): Measurement | undefined => results.get(id)?.medians[name];
  const quotient = (a: number | undefined, b: number | undefined) => (a && b ? a / b : undefined);
  const ratio = (id: string, field: Field, name: string, base: string) =>
    quotient(at(id, name)?.[field], at(id, base)?.[field]);
  const best = (id: string) => {
    const result = results.get(id);
    return result && bestNpm(result)?.operationsPerSecond;
  };

  const gets = 'memcached/get/256';
  const canned = 'canned/get/256';
  const single = 'memcached/get/1';
  const getShare = ratio(gets, 'operationsPerSecond', host, raw);
  const share = (id: string) => quotient(ratio(id, 'operationsPerSecond', host, raw), getShare);
  const memory = (id: string, megabytesInFlight: number) => {
    const m = at(id, host);
    return m && (m.peakRss - m.idleRss) / (megabytesInFlight << 20);
  };
  const cost = (id: string) => quotient(at(id, host)?.cpuPerOperation, at(gets, host)?.cpuPerOperation);

  return [
    atLeast(
      'gets at depth 256: best npm client',
      5,
      quotient(at(gets, host)?.operationsPerSecond, best(gets)),
    ),
    atLeast('gets at depth 256: memjs', 6.5, ratio(gets, 'operationsPerSecond', host, 'memjs')),
    atLeast('gets at depth 256: raw C++', 0.8, getShare),
    atLeast('gets at depth 256, thread base: raw C++', 0.6, ratio(gets, 'operationsPerSecond', thread, raw)),
    atMost('CPU a get at depth 256: memjs', 1 / 8, ratio(gets, 'cpuPerOperation', host, 'memjs')),
    atMost('CPU a get at depth 256: raw C++', 2.2, ratio(gets, 'cpuPerOperation', host, raw)),
    atLeast('canned gets at depth 256: memjs', 10, ratio(canned, 'operationsPerSecond', host, 'memjs')),
    atLeast('canned gets at depth 256: raw C++', 0.45, ratio(canned, 'operationsPerSecond', host, raw)),
    atMost('p50 of a lone get: raw C++', 1.4, ratio(single, 'p50', host, raw)),
    atMost('p50 of a lone get: memjs', 1, ratio(single, 'p50', host, 'memjs')),
    // "The same class": the share of raw C++ that gets reach, give or take a quarter.
    atLeast('80/20 at depth 256: share of raw C++ that gets have', 0.75, share('memcached/mix/256')),
    atLeast('sets at depth 256: share of raw C++ that gets have', 0.75, share('memcached/set/256')),
    atLeast('gets of 1 MB: memjs', 2, ratio('memcached/get-1m/16', 'operationsPerSecond', host, 'memjs')),
    atLeast('sets of 1 MB: memjs', 2, ratio('memcached/set-1m/16', 'operationsPerSecond', host, 'memjs')),
    atMost('16 gets of 1 MB, RSS above idle: data in flight', 1.5, memory('memcached/get-1m/16', 16)),
    atMost('64 gets of 1 MB, RSS above idle: data in flight', 1.5, memory('memcached/get-1m/64', 64)),
    atMost('16 sets of 1 MB, RSS above idle: data in flight', 1.5, memory('memcached/set-1m/16', 16)),
    // "The same": within what two runs of the same scenario differ by on a shared machine.
    atMost(
      'CPU a get with a million pending timers: without',
      1.15,
      cost('memcached/get-million-timers/256'),
    ),
    atMost('CPU a get with 60,000 in flight: with 256', 1.15, cost('memcached/get/60000')),
  ];
}

/** Of the set `fleet`. */
export function fleetVerdicts(results: Results): Verdict[] {
  const rate = (id: string, name: string) => results.get(id)?.medians[name]?.operationsPerSecond;
  const cpu = (id: string, name: string) => results.get(id)?.medians[name]?.cpuPerOperation;
  const quotient = (a: number | undefined, b: number | undefined) => (a && b ? a / b : undefined);
  const best = (id: string) => {
    const result = results.get(id);
    return result && bestNpm(result)?.operationsPerSecond;
  };
  const one = 'memcached/get/256';
  const three = 'memcached3/get/768';
  const encrypted = 'memcached-tls/get/256';
  return [
    atMost('CPU a get, three servers: one', 1.15, quotient(cpu(three, host), cpu(one, host))),
    atMost(
      'CPU a get, 100 canned servers: three',
      1.1,
      quotient(cpu('canned100/get/25600', host), cpu('canned3/get/768', host)),
    ),
    atMost('CPU a get by the meta protocol: binary', 1.25, quotient(cpu(one, meta), cpu(one, host))),
    atMost(
      'CPU a set by the meta protocol: binary',
      1.25,
      quotient(cpu('memcached/set/256', meta), cpu('memcached/set/256', host)),
    ),
    atLeast('gets from three servers: best npm client', 4, quotient(rate(three, host), best(three))),
    atLeast('gets by TLS: best npm client', 5, quotient(rate(encrypted, host), best(encrypted))),
    atMost('CPU a get by TLS: plain', 2, quotient(cpu(encrypted, host), cpu(one, host))),
  ];
}

export function verdictLines(all: Verdict[]): string {
  const words = { true: 'reached', false: 'MISSED', undefined: 'not measured' };
  const width = Math.max(...all.map((v) => v.target.length));
  return all
    .map((v) => {
      const value = v.value === undefined ? '' : v.value.toFixed(3);
      return `${v.target.padEnd(width)}  ${value.padStart(8)}  ${words[`${v.reached}`]}`;
    })
    .join('\n');
}
