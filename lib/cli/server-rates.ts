import type { ServerStats } from '../index';

/** The state of one server at one moment, or why it is unknown. */
export interface ServerSample {
  readonly name: string;
  /** As in `db.topology`. */
  readonly state: string;
  /** ms on a monotonic clock. */
  readonly at: number;
  readonly version: string | undefined;
  /** undefined: the server has not answered. */
  readonly stats: ServerStats | undefined;
  /** Why the server has not answered. */
  readonly fault: string | undefined;
  /** The round trip of a probe in ms, if it was answered. */
  readonly latency: number | undefined;
}

/** A server between two samples; undefined fields are unknown. */
export interface ServerRates {
  readonly name: string;
  readonly state: string;
  readonly fault: string | undefined;
  readonly version: string | undefined;
  readonly getsPerSecond: number | undefined;
  readonly setsPerSecond: number | undefined;
  readonly evictionsPerSecond: number | undefined;
  /** The hit ratio of the gets between the samples. */
  readonly hitRatio: number | undefined;
  readonly items: number | undefined;
  readonly bytes: number | undefined;
  readonly limitBytes: number | undefined;
  readonly connections: number | undefined;
  /** ms. */
  readonly latency: number | undefined;
}

/**
 * Rates are differences of counters. There are none without an earlier sample, or when the server has restarted its
 * counters in between.
 */
export function ratesOf(later: ServerSample, earlier: ServerSample | undefined): ServerRates {
  const { name, state, fault, version, stats, latency } = later;
  const seconds = (later.at - (earlier?.at ?? later.at)) / 1000;
  const told = (statistic: string): number | undefined => {
    const count = counter(stats, statistic);
    return count === undefined ? undefined : Number(count);
  };
  const since = isSameRun(stats, earlier?.stats) ? earlier?.stats : undefined;
  const risen = (statistic: string): number | undefined => {
    const [before, now] = [counter(since, statistic), counter(stats, statistic)];
    return before === undefined || now === undefined || now < before ? undefined : Number(now - before);
  };
  const perSecond = (statistic: string): number | undefined => {
    const count = risen(statistic);
    return count === undefined || !(seconds > 0) ? undefined : count / seconds;
  };
  const [gets, hits] = [risen('cmd_get'), risen('get_hits')];
  return {
    name,
    state,
    fault,
    version,
    getsPerSecond: perSecond('cmd_get'),
    setsPerSecond: perSecond('cmd_set'),
    evictionsPerSecond: perSecond('evictions'),
    hitRatio: gets === undefined || hits === undefined || gets === 0 ? undefined : Math.min(1, hits / gets),
    items: told('curr_items'),
    bytes: told('bytes'),
    limitBytes: told('limit_maxbytes'),
    connections: told('curr_connections'),
    latency,
  };
}

/** A restarted server counts from 0, and its counters may already exceed the earlier ones. */
function isSameRun(later: ServerStats | undefined, earlier: ServerStats | undefined): boolean {
  const [before, now] = [counter(earlier, 'uptime'), counter(later, 'uptime')];
  return later?.pid === earlier?.pid && (before === undefined || now === undefined || now >= before);
}

/** Servers report counters as text, with up to 64 bits. */
function counter(stats: ServerStats | undefined, name: string): bigint | undefined {
  const text = stats?.[name];
  return text !== undefined && /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
}
