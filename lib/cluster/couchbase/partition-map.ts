import { crc32 } from 'node:zlib';

/** None of the servers has the copy. */
export const NOBODY = -1;

/** Of 15 bits. */
export const MOST_PARTITIONS = 1 << 15;

/** The partition of a key among so many, by the bytes of the key without the prefix of its collection. */
export function partitionOf(key: string | Uint8Array, count: number): number {
  return ((crc32(key) >>> 16) & 0x7fff) % count;
}

/** Which server has which copy of each partition: indexes of ClusterMap.servers, or -1 for nobody. */
export class PartitionMap {
  readonly count: number;
  /** Replicas of each partition, at most; some of them may be nobody's. */
  readonly replicas: number;
  readonly #rows: Int16Array;
  readonly #forward: Int16Array | undefined;

  /** `rows`: for each partition its active copy and then its replicas; `forward`: the same after the rebalance that is under way. */
  constructor(rows: Int16Array, forward: Int16Array | undefined, replicas: number) {
    this.#rows = rows;
    this.#forward = forward;
    this.replicas = replicas;
    this.count = rows.length / (replicas + 1);
  }

  /** Copy 0 is the active one. */
  serverOf(partition: number, copy = 0): number {
    return at(this.#rows, partition * (this.replicas + 1) + copy);
  }

  /** Where the copy will be after the rebalance that is under way; undefined: there is none. */
  nextServerOf(partition: number, copy = 0): number | undefined {
    return this.#forward && at(this.#forward, partition * (this.replicas + 1) + copy);
  }

  /** With one partition as it will be; undefined where that makes no difference, or is not known. */
  withNext(partition: number): PartitionMap | undefined {
    const next = this.nextServerOf(partition);
    if (next === undefined || next === NOBODY || next === this.serverOf(partition)) return undefined;
    const width = this.replicas + 1;
    const begin = partition * width;
    const rows = this.#rows.slice();
    rows.set(this.#forward?.subarray(begin, begin + width) ?? [], begin);
    return new PartitionMap(rows, this.#forward, this.replicas);
  }

  /** The active copies' servers by partition, in memory of the caller's. */
  activeServers(): Int16Array {
    return Int16Array.from({ length: this.count }, (_, partition) => this.serverOf(partition));
  }

  /** All copies' servers, replicas + 1 for each partition, in memory of the caller's. */
  allServers(): Int16Array {
    return this.#rows.slice();
  }
}

const at = (rows: Int16Array, index: number): number => rows[index] ?? NOBODY;
