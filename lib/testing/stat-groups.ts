import type { Address } from './operations';
import type { Store } from './store';

/** What STAT detail counts, by the part of a key before its first colon, as memcached does (its `stats_prefix.c`). */
export class PrefixCounters {
  enabled = false;
  readonly #counts = new Map<string, { get: number; hit: number; set: number; del: number }>();

  get(key: string, isHit: boolean): void {
    const counts = this.#of(key);
    if (counts === undefined) return;
    counts.get += 1;
    if (isHit) counts.hit += 1;
  }

  set(key: string): void {
    const counts = this.#of(key);
    if (counts !== undefined) counts.set += 1;
  }

  delete(key: string): void {
    const counts = this.#of(key);
    if (counts !== undefined) counts.del += 1;
  }

  clear(): void {
    this.#counts.clear();
  }

  /** As memcached sends it, in one piece. */
  dump(): string {
    const lines = [...this.#counts].map(
      ([prefix, { get, hit, set, del }]) =>
        `PREFIX ${prefix} get ${get} hit ${hit} set ${set} del ${del}\r\n`,
    );
    return `${lines.join('')}END\r\n`;
  }

  /** Clients choose the prefixes, so that there is no end of them. */
  #of(key: string): { get: number; hit: number; set: number; del: number } | undefined {
    const end = key.indexOf(':');
    if (end < 0) return undefined;
    const prefix = key.slice(0, end);
    let counts = this.#counts.get(prefix);
    if (counts === undefined && this.#counts.size < MOST_PREFIXES) {
      counts = { get: 0, hit: 0, set: 0, del: 0 };
      this.#counts.set(prefix, counts);
    }
    return counts;
  }
}

const MOST_PREFIXES = 10_000;

export interface GroupSources {
  readonly address: Address;
  readonly maxBytes: number;
  readonly maxItemBytes: number;
  readonly maxConnections: number;
  readonly authenticates: boolean;
  readonly store: Store;
  readonly prefixes: PrefixCounters;
}

type Lines = Readonly<Record<string, string | number>>;

/** A group of STAT by its name, with memcached's names where they mean something here; undefined for one that there is not. */
export function statGroup(name: string, sources: GroupSources): Lines | undefined {
  const { prefixes } = sources;
  switch (name) {
    case 'settings':
      return settings(sources);
    case 'items':
      return items(sources.store);
    case 'slabs':
      return slabs(sources.store);
    case 'sizes':
      return { sizes_status: 'disabled' };
    case 'detail on':
    case 'detail off':
      prefixes.enabled = name === 'detail on';
      return {};
    case 'detail dump':
      return { detailed: prefixes.dump() };
    default:
      return undefined;
  }
}

function settings(sources: GroupSources): Lines {
  const { address, maxBytes, maxItemBytes, maxConnections, authenticates, prefixes } = sources;
  return {
    maxbytes: maxBytes,
    maxconns: maxConnections,
    tcpport: address.port,
    udpport: 0,
    inter: address.path === undefined ? address.host : 'NULL',
    verbosity: 0,
    evictions: 'on',
    domain_socket: address.path ?? 'NULL',
    num_threads: 1,
    stat_key_prefix: ':',
    detail_enabled: prefixes.enabled ? 'yes' : 'no',
    cas_enabled: 'yes',
    binding_protocol: 'auto-negotiate',
    auth_enabled_sasl: authenticates ? 'yes' : 'no',
    auth_enabled_ascii: authenticates ? 'yes' : 'no',
    item_size_max: maxItemBytes,
    maxconns_fast: 'yes',
    flush_enabled: 'yes',
  };
}

/** There are no slabs of sizes here: all items are in class 1. */
function items({ size, bytes, evictions }: Store): Lines {
  if (size === 0) return {};
  return {
    'items:1:number': size,
    'items:1:mem_requested': bytes,
    'items:1:evicted': evictions,
    'items:1:outofmemory': 0,
  };
}

function slabs({ size, bytes }: Store): Lines {
  if (size === 0) return { active_slabs: 0, total_malloced: 0 };
  return {
    '1:used_chunks': size,
    '1:free_chunks': 0,
    '1:mem_requested': bytes,
    active_slabs: 1,
    total_malloced: bytes,
  };
}
