import { AliasTable } from './alias';
import { KeyNames, KeyTable, MIN_KEY_BYTES } from './keys';
import type { Operation, OperationKind, OperationSource } from './operation';
import type { WorkloadProfile } from './profile';
import { Random } from './random';
import { Ring } from './ring';
import { Zipf } from './zipf';

export interface GeneratorOptions {
  /** The maximum number of resident keys. Default 100 000. */
  readonly keys?: number;
  /**
   * The maximum number of bytes that the server needs for them. Default 12 MiB: nothing is evicted, even with as many
   * fills and with the pages that a memcached of default size loses to the item sizes of the previous workload.
   */
  readonly memoryBytes?: number;
  /** The same seed gives the same stream, provided that the answers are the same. Default 1. */
  readonly seed?: number;
  /** The first number of transient keys: vary it so that a second run does not find the first one's fills. */
  readonly serial?: number;
}

/** What memcached adds to key and value, in bytes. */
const ITEM_OVERHEAD = 60;
/** Values of up to this many decimal digits fit in an unsigned 64-bit counter with room to count. */
const COUNTER_DIGITS = 19;
/** An append or prepend adds this fraction of a value; after this many, the key is set again. */
const GROWTH_STEPS = 64;
const POOLED_VALUES = 16;
const REMEMBERED = 1024;
const NOTHING = Buffer.alloc(0);
const NO_EXPIRY = { ttl: 0 };

/**
 * Turns a profile into an endless stream of operations on two populations of keys.
 *
 * **Resident keys** are read, written and counted by Zipf rank. All of them are stored before the run ({@link
 * prefill}), so reading one is a hit. Their number is limited by `keys` and `memoryBytes`: a production cache holds
 * millions, so the head of the distribution gets somewhat more of the traffic here.
 *
 * **Transient keys** represent keys that are missing because of expiry, eviction or first requests, which in production
 * takes days and cannot happen in a run of seconds. Each one is new and absent when it is read, and is never read
 * again. The profile's miss ratio is the probability that a read uses one. The expected miss ratio of a run is
 * therefore the profile's. If the measured ratio differs, there is a reason worth knowing: expiry, eviction by the
 * server, lost writes, failed operations.
 *
 * **A miss** is filled. In a profile with a share of `set` or `add`, the missed key is remembered (the last 1024 are)
 * and the next such operation of the mix writes it, because that was the purpose of those operations in production.
 * Without a missed key, a `set` writes a resident one; an `add` writes a new transient one with the probability of a
 * miss, otherwise a resident one, which exists. In a profile without either, the miss is followed at once by a `set` of
 * that key, as in a cache-aside application; the caller counts it separately. Filled transient keys are limited like
 * the resident ones: at the limit, a `set` overwrites the oldest one and an `add` has it removed, which the caller
 * counts separately, too. A production server would have evicted it.
 *
 * `gets` remembers the version that it found, and `cas` uses the newest one remembered; without one it becomes a
 * `gets`. `delete` takes a filled transient key, so that invalidations do not cause additional misses. `incr` and
 * `decr` use the resident keys if values are short enough to be counters, otherwise a separate population of counters.
 * `append` and `prepend` add 1/64 of a value; after 64 of them the key is set again, because it would otherwise outgrow
 * every item limit.
 */
export class WorkloadGenerator implements OperationSource {
  readonly profile: WorkloadProfile;
  /** Resident keys. */
  readonly residents: number;
  /** Keys that only `incr` and `decr` use. */
  readonly counters: number;
  readonly #random: Random;
  readonly #mix: AliasTable<OperationKind>;
  readonly #expiries: AliasTable<{ readonly ttl: number }>;
  readonly #zipf: Zipf;
  readonly #residentKeys: KeyTable;
  readonly #counterKeys: KeyTable;
  readonly #transientNames: KeyNames;
  readonly #values: Buffer[];
  readonly #fragment: Buffer;
  readonly #growth: Uint8Array;
  readonly #fillsByMix: boolean;
  readonly #missed = new Ring<Operation>(REMEMBERED);
  readonly #versions = new Ring<{ key: string; cas: bigint }>(REMEMBERED);
  readonly #filled: string[] = [];
  #oldestFilled = 0;
  #serial: number;

  constructor(profile: WorkloadProfile, options: GeneratorOptions = {}) {
    const { keys = 100_000, memoryBytes = 12 * 1024 * 1024, seed = 1, serial = 0 } = options;
    const itemBytes = ITEM_OVERHEAD + Math.max(profile.keyBytes, MIN_KEY_BYTES) + profile.valueBytes;
    const kinds = new Set(profile.operations.map((entry) => entry.item));
    const counts = kinds.has('incr') || kinds.has('decr');
    const shortValues = profile.valueBytes <= COUNTER_DIGITS;
    this.profile = profile;
    this.residents = Math.max(1, Math.floor(Math.min(keys, memoryBytes / itemBytes)));
    this.counters = counts && !shortValues ? this.residents : 0;
    this.#random = new Random(seed);
    this.#mix = new AliasTable(profile.operations);
    this.#expiries = new AliasTable(profile.ttls.map(({ item, share }) => ({ item: { ttl: item }, share })));
    this.#zipf = new Zipf(this.residents, profile.zipfAlpha);
    this.#residentKeys = new KeyTable(new KeyNames('k', profile.name, profile.keyBytes), this.residents);
    this.#counterKeys =
      this.counters === 0
        ? this.#residentKeys
        : new KeyTable(new KeyNames('c', profile.name, profile.keyBytes), this.counters);
    this.#transientNames = new KeyNames('t', profile.name, profile.keyBytes);
    this.#serial = Math.floor(serial) % this.#transientNames.capacity;
    this.#values =
      counts && shortValues ? [decimal(profile.valueBytes)] : randomValues(profile.valueBytes, seed);
    this.#fragment = Buffer.alloc(Math.ceil(profile.valueBytes / GROWTH_STEPS), 0x2b);
    this.#growth = new Uint8Array(kinds.has('append') || kinds.has('prepend') ? this.residents : 0);
    this.#fillsByMix = kinds.has('set') || kinds.has('add');
  }

  /** Writes that store the resident population, the hottest keys first. */
  *prefill(): Generator<Operation, void, undefined> {
    for (let rank = 0; rank < this.residents; rank++) {
      yield this.#write('set', this.#residentKeys.at(rank), this.#value(), false);
    }
    const zero = decimal(1);
    for (let rank = 0; rank < this.counters; rank++) {
      yield this.#write('set', this.#counterKeys.at(rank), zero, false);
    }
  }

  /** Removals of everything that a run may have left on the server. */
  *cleanup(): Generator<Operation, void, undefined> {
    for (let rank = 0; rank < this.residents; rank++)
      yield plain('delete', this.#residentKeys.at(rank), false);
    for (let rank = 0; rank < this.counters; rank++) yield plain('delete', this.#counterKeys.at(rank), false);
    for (const key of this.#filled) yield plain('delete', key, true);
  }

  next(): Operation {
    const kind = this.#mix.sample(this.#random);
    switch (kind) {
      case 'get':
      case 'gets':
        return this.#read(kind);
      case 'set':
      case 'add': {
        const missed = this.#missed.takeOldest();
        if (missed !== undefined) return this.#fill(kind, missed);
        if (kind === 'add' && this.#random.unit() < this.profile.missRatio)
          return this.#fill(kind, this.#read('get', true));
        const rank = this.#rank();
        if (kind === 'set') this.#growth[rank] = 0;
        return this.#write(kind, this.#residentKeys.at(rank), this.#value(), false);
      }
      case 'replace':
        return this.#write(kind, this.#residentKeys.at(this.#rank()), this.#value(), false);
      case 'cas': {
        const version = this.#versions.takeNewest();
        if (version === undefined) return this.#read('gets');
        return this.#write(kind, version.key, this.#value(), false, version.cas);
      }
      case 'append':
      case 'prepend':
        return this.#grow(kind);
      case 'incr':
      case 'decr':
        return plain(kind, this.#counterKeys.at(this.#rank()), false);
      case 'delete': {
        const key = this.#filled[this.#random.below(this.#filled.length)];
        return plain(kind, key ?? this.#transientKey(), true);
      }
      case 'touch':
        return this.#write(kind, this.#residentKeys.at(this.#rank()), NOTHING, false);
    }
  }

  missed(operation: Operation): Operation | undefined {
    if (!this.#fillsByMix) return this.#fill('set', operation);
    this.#missed.put(operation);
    return undefined;
  }

  versioned(key: string, cas: bigint): void {
    this.#versions.put({ key, cas });
  }

  #read(kind: 'get' | 'gets', absent = this.#random.unit() < this.profile.missRatio): Operation {
    if (absent) return plain(kind, this.#transientKey(), true);
    return plain(kind, this.#residentKeys.at(this.#rank()), false);
  }

  #write(
    kind: OperationKind,
    key: string,
    value: Buffer,
    transient: boolean,
    cas?: bigint,
    evicts?: Operation,
  ): Operation {
    return { kind, key, value, expiry: this.#expiries.sample(this.#random), cas, transient, evicts };
  }

  #fill(kind: 'set' | 'add', missed: Operation): Operation {
    const { key, transient } = missed;
    if (!transient) return this.#write(kind, key, this.#value(), false);
    if (this.#filled.length < this.residents) {
      this.#filled.push(key);
      return this.#write(kind, key, this.#value(), true);
    }
    const slot = this.#oldestFilled;
    const oldest = this.#filled[slot] ?? key;
    this.#oldestFilled = (slot + 1) % this.#filled.length;
    if (kind === 'set') return this.#write(kind, oldest, this.#value(), true);
    // An add of an existing key would store nothing, so the oldest key is removed.
    this.#filled[slot] = key;
    return this.#write(kind, key, this.#value(), true, undefined, plain('delete', oldest, true));
  }

  #grow(kind: 'append' | 'prepend'): Operation {
    const rank = this.#rank();
    const key = this.#residentKeys.at(rank);
    const steps = this.#growth[rank] ?? 0;
    if (steps >= GROWTH_STEPS) {
      this.#growth[rank] = 0;
      return this.#write('set', key, this.#value(), false);
    }
    this.#growth[rank] = steps + 1;
    return {
      kind,
      key,
      value: this.#fragment,
      expiry: NO_EXPIRY,
      cas: undefined,
      transient: false,
      evicts: undefined,
    };
  }

  #rank(): number {
    return this.#zipf.sample(this.#random) - 1;
  }

  #value(): Buffer {
    return this.#values[this.#random.below(this.#values.length)] ?? NOTHING;
  }

  #transientKey(): string {
    const serial = this.#serial;
    this.#serial = serial + 1 < this.#transientNames.capacity ? serial + 1 : 0;
    return this.#transientNames.name(serial);
  }
}

function plain(kind: OperationKind, key: string, transient: boolean): Operation {
  return { kind, key, value: NOTHING, expiry: NO_EXPIRY, cas: undefined, transient, evicts: undefined };
}

/** A counter with this many digits, far from overflowing to one more. */
function decimal(digits: number): Buffer {
  return Buffer.from('1'.padEnd(Math.min(digits, COUNTER_DIGITS), '0'));
}

function randomValues(bytes: number, seed: number): Buffer[] {
  const random = new Random(seed + 0.5);
  return Array.from({ length: POOLED_VALUES }, () => {
    const value = Buffer.alloc(bytes);
    for (let index = 0; index < bytes; index++) value[index] = random.uint32() & 0xff;
    return value;
  });
}
