import type { Store } from './store';

/** Of a server that is not told to say another. */
export const VERSION = '1.6.18-evenkeel';

/** Counters by memcached's own names (memcached's `doc/protocol.txt`, general-purpose statistics). */
export class Counters {
  cmd_get = 0;
  cmd_set = 0;
  cmd_flush = 0;
  cmd_touch = 0;
  get_hits = 0;
  get_misses = 0;
  delete_hits = 0;
  delete_misses = 0;
  incr_hits = 0;
  incr_misses = 0;
  decr_hits = 0;
  decr_misses = 0;
  cas_hits = 0;
  cas_badval = 0;
  cas_misses = 0;
  touch_hits = 0;
  touch_misses = 0;
  auth_cmds = 0;
  auth_errors = 0;
  bytes_read = 0;
  bytes_written = 0;
  total_connections = 0;
  rejected_connections = 0;

  reset(): void {
    Object.assign(this, new Counters());
  }
}

export interface StatSources {
  readonly counters: Counters;
  readonly store: Store;
  readonly version: string;
  readonly connections: number;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly now: number;
  readonly maxBytes: number;
}

/** The general group of STAT: names and values as memcached sends them. */
export function generalStats(sources: StatSources): Record<string, string> {
  const { counters, store } = sources;
  const numbers = {
    curr_connections: sources.connections,
    ...counters,
    limit_maxbytes: sources.maxBytes,
    threads: 1,
    bytes: store.bytes,
    curr_items: store.size,
    total_items: store.totalItems,
    evictions: store.evictions,
  };
  const stats: Record<string, string> = {
    pid: String(process.pid),
    uptime: String(Math.floor((sources.now - sources.startedAt) / 1000)),
    time: String(Math.floor(sources.now / 1000)),
    version: sources.version,
    pointer_size: '64',
  };
  for (const [name, value] of Object.entries(numbers)) stats[name] = String(value);
  return stats;
}
