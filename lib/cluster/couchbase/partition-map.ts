import { crc32 } from 'node:zlib';

/** The index of a copy that no server has. */
export const NOBODY = -1;

/** The hash of a key has 15 bits. */
export const MOST_PARTITIONS = 1 << 15;

/** The partition of a key; `key` does not include the prefix of its collection. `count`: the number of partitions. */
export function partitionOf(key: string | Uint8Array, count: number): number {
  return ((crc32(key) >>> 16) & 0x7fff) % count;
}

/** Which server has which copy of each partition: indexes into ClusterMap.servers, or -1. Immutable. */
export class PartitionMap {
  readonly count: number;
  /** Replicas per partition; a server may be missing for some of them. */
  readonly replicas: number;
  readonly #rows: Int16Array;
  readonly #forward: Int16Array | undefined;

  /**
   * `rows`: for each partition the active copy, then its replicas; `forward`: the same as planned by a running
   * rebalance.
   */
  constructor(rows: Int16Array, forward: Int16Array | undefined, replicas: number) {
    this.#rows = rows;
    this.#forward = forward;
    this.replicas = replicas;
    this.count = rows.length / (replicas + 1);
  }

  /** The server of a copy; copy 0 is the active one. */
  serverOf(partition: number, copy = 0): number {
    return at(this.#rows, partition * (this.replicas + 1) + copy);
  }

  /** The server that a running rebalance plans for the copy; undefined: no rebalance is running. */
  nextServerOf(partition: number, copy = 0): number | undefined {
    return this.#forward && at(this.#forward, partition * (this.replicas + 1) + copy);
  }

  /** The map with one partition moved as the running rebalance plans; undefined if that changes nothing. */
  withNext(partition: number): PartitionMap | undefined {
    const next = this.nextServerOf(partition);
    if (next === undefined || next === NOBODY || next === this.serverOf(partition)) return undefined;
    const width = this.replicas + 1;
    const begin = partition * width;
    const rows = this.#rows.slice();
    rows.set(this.#forward?.subarray(begin, begin + width) ?? [], begin);
    return new PartitionMap(rows, this.#forward, this.replicas);
  }

  /** The server of each active copy, by partition. A new array. */
  activeServers(): Int16Array {
    return Int16Array.from({ length: this.count }, (_, partition) => this.serverOf(partition));
  }

  /** The servers of all copies, replicas + 1 per partition. A new array. */
  allServers(): Int16Array {
    return this.#rows.slice();
  }
}

const at = (rows: Int16Array, index: number): number => rows[index] ?? NOBODY;
