import { inspect } from 'node:util';

/** Where in the sequence of a partition's changes a mutation is. */
export interface MutationToken {
  readonly bucket: string;
  readonly partition: number;
  /** Another one when the partition's history has forked, as after a failover. Unsigned, 64 bits. */
  readonly partitionUuid: bigint;
  /** Unsigned, 64 bits. */
  readonly sequence: bigint;
}

/** The result of a write. */
export class MutationResult {
  readonly #high: number;
  readonly #low: number;

  constructor(casHigh: number, casLow: number) {
    this.#high = casHigh;
    this.#low = casLow;
  }

  /**
   * The record's new version; pass it to a later write as `cas` to make that conditional. Unsigned, 64 bits. 0n from a
   * server without versions (memcached -C); no write accepts 0n.
   */
  get cas(): bigint {
    return joinWords(this.#high, this.#low);
  }

  /** The mutation token, on engines that provide one; otherwise undefined. */
  get token(): MutationToken | undefined {
    return undefined;
  }

  [inspect.custom](): object {
    return { ...this, cas: this.cas };
  }
}

/** A record with its version and flags. */
export class RecordResult<T> extends MutationResult {
  readonly value: T;
  /** The value's memcached flags, u32. */
  readonly flags: number;

  constructor(value: T, flags: number, casHigh: number, casLow: number) {
    super(casHigh, casLow);
    this.value = value;
    this.flags = flags;
  }
}

/** A record with everything that the server knows about it. */
export class DetailedRecord<T> extends RecordResult<T> {
  /** The size of the stored value, in bytes. */
  readonly size: number;
  /** Seconds until the record expires; undefined: never. */
  readonly ttl: number | undefined;
  /** Seconds since it was last read or written. */
  readonly idle: number;
  /** Whether it has been read since it was written. */
  readonly wasRead: boolean;
  /** Whether it was invalidated. */
  readonly isStale: boolean;

  constructor(value: T, flags: number, casHigh: number, casLow: number, details: RecordDetails) {
    super(value, flags, casHigh, casLow);
    this.size = details.size;
    this.ttl = details.ttl;
    this.idle = details.idle;
    this.wasRead = details.wasRead;
    this.isStale = details.isStale;
  }
}

type RecordDetails = Pick<DetailedRecord<unknown>, 'size' | 'ttl' | 'idle' | 'wasRead' | 'isStale'>;

export function joinWords(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}
