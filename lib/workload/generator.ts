import { AliasTable } from './alias';
import { KeyNames, KeyTable, MIN_KEY_BYTES } from './keys';
import type { Operation, OperationKind, OperationSource } from './operation';
import type { WorkloadProfile } from './profile';
import { Random } from './random';
import { Ring } from './ring';
import { Zipf } from './zipf';

export interface GeneratorOptions {
  /** Upper bound of the resident population. Default 100 000. */
  readonly keys?: number;
  /**
   * Upper bound of the bytes the server needs for it. Default 12 MiB: with as many fills, and with what a memcached of
   * default size loses when pages stay with the item sizes of the workload before, nothing is evicted.
   */
  readonly memoryBytes?: number;
  /** The same seed gives the same stream, as long as the answers are the same. Default 1. */
  readonly seed?: number;
  /** Where the numbering of transient keys starts: vary it, and a second run does not find the first one's fills. */
  readonly serial?: number;
}

/** What memcached adds to key and value, in bytes. */
const ITEM_OVERHEAD = 60;
/** A value of up to this many decimal digits fits an unsigned 64-bit counter with room to count. */
const COUNTER_DIGITS = 19;
/** An append or prepend adds this part of a value, and a key gets so many of them before it is set anew. */
const GROWTH_STEPS = 64;
const POOLED_VALUES = 16;
const REMEMBERED = 1024;
const NOTHING = Buffer.alloc(0);
const NO_EXPIRY = { ttl: 0 };

/**
 * Turns a profile into an endless stream of operations on two populations of keys.
 *
 * **Resident keys** are read, written and counted by Zipf rank. All of them are stored before the run
 * ({@link prefill}), so a read of one is a hit. Their number is bounded by `keys` and `memoryBytes`: a production
 * cache holds millions, so the head of the distribution carries somewhat more of the traffic here.
 *
 * **Transient keys** stand for what expiry, eviction and first requests make of a key within days, which a run of
 * seconds cannot wait for: each is new and absent when it is read, and is never read again. A read goes to one with
 * the profile's miss ratio as its probability. The expected miss ratio of a run is therefore the profile's, and a
 * measured one that differs has a reason worth knowing: expiry, eviction at the server, lost writes, failed operations.
 *
 * **A miss** is filled. In a profile with a share of `set` or `add` the missed key is remembered (the last 1024 are)
 * and the next such operation of the mix writes it, because that is what those operations were for in production;
 * without a missed key a `set` writes a resident one, and an `add` a new transient one with the probability of a miss,
 * else a resident one, which it finds present. In a profile without either, the miss is answered by a `set` of that key
 * at once, as a cache-aside application does; the caller counts it apart. Filled transient keys are bounded like the
 * resident ones: when that many exist, a `set` overwrites the oldest and an `add` has it removed, which the caller counts
 * apart, too: a production server would have evicted it.
 *
 * `gets` remembers the version it found and `cas` writes with the newest remembered one, else it is a `gets` itself.
 * `delete` takes a filled transient key, so that invalidations do not add misses of their own. `incr` and `decr` work on the
 * resident keys if values are short enough to be counters, and otherwise on a counter population of their own. `append`
 * and `prepend` add 1/64 of a value; after 64 of them a key is set anew, as it would otherwise outgrow every item limit.
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

  /** Writes that store the resident population, hottest keys first. */
  *prefill(): Generator<Operation, void, undefined> {
    for (let rank = 0; rank < this.residents; rank++) {
      yield this.#write('set', this.#residentKeys.at(rank), this.#value(), false);
    }
    const zero = decimal(1);
    for (let rank = 0; rank < this.counters; rank++) {
      yield this.#write('set', this.#counterKeys.at(rank), zero, false);
    }
  }

  /** Removals of all that a run may have left on the server. */
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
    // An add of a key that exists would store nothing, so here the oldest has to go.
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

/** A counter of so many digits, far from running into one more. */
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
