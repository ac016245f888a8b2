import { inspect } from 'node:util';

/** What a write brought about. */
export class MutationResult {
  readonly #high: number;
  readonly #low: number;

  constructor(casHigh: number, casLow: number) {
    this.#high = casHigh;
    this.#low = casLow;
  }

  /**
   * The record's new version: give it to a later write as `cas` to make that conditional. Unsigned, 64 bits; 0n of a server
   * that keeps none (memcached -C), which no write takes.
   */
  get cas(): bigint {
    return joinWords(this.#high, this.#low);
  }

  [inspect.custom](): object {
    return { ...this, cas: this.cas };
  }
}

/** A record with what the server keeps beside the value. */
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

/** A record with all that the server knows of it. */
export class DetailedRecord<T> extends RecordResult<T> {
  /** Of the value as it is stored, in bytes. */
  readonly size: number;
  /** Seconds until the record expires; undefined when it does not. */
  readonly ttl: number | undefined;
  /** Seconds since it was written or read. */
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
