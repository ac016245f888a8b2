import { MAX_RELATIVE_SECONDS, Status } from './protocol';

/** Flags are an unsigned 32-bit number, times milliseconds of the store's clock, `cas` an unsigned 64-bit number. */
export interface Item {
  readonly key: string;
  value: Buffer;
  flags: number;
  /** 0: never. */
  expiresAt: number;
  cas: bigint;
  /** When it was stored or last fetched. */
  accessedAt: number;
  /** Fetched since it was stored. */
  fetched: boolean;
  /** Invalidated, but still there for whoever would rather have an old value than none. */
  stale: boolean;
  /** Somebody has been told to make a new value. */
  claimed: boolean;
  /** The meta protocol stored it under a key in base64, and is answered so. */
  binaryKey: boolean;
  /** Looked up since the evictor last passed by. */
  used: boolean;
}

/** What a mutation ended with: a status of the protocol; `Store.lastCas` belongs to the last successful one. */
export type Outcome = number;

/** Under which condition a value is stored, and how; `cas` wants an item whose CAS is the one given. */
export type StoreMode = 'set' | 'add' | 'replace' | 'append' | 'prepend' | 'cas';

/** A value on its way into the store. A CAS of 0 is none. */
export interface Write {
  readonly mode: StoreMode;
  readonly key: string;
  readonly value: Buffer;
  readonly flags: number;
  /** As the protocol has it: seconds, or a Unix time above 30 days. */
  readonly expiry: number;
  readonly cas: bigint;
  /** The CAS to have afterwards; default: the next one. */
  readonly newCas?: bigint | undefined;
  /** `cas`: one that is lower than the item's is good as well, and what it stores is stale. */
  readonly mayBeStale?: boolean | undefined;
  /** `append`, `prepend`: a missing item is made, with this expiry. */
  readonly orCreate?: number | undefined;
  readonly binaryKey?: boolean | undefined;
}

export interface StoreOptions {
  /** Milliseconds since the Unix epoch. */
  readonly clock: () => number;
  /** Above this many bytes, counted as memcached counts them (`itemBytes`), the least recently used items leave. */
  readonly maxBytes: number;
  /** Largest item, counted the same way. */
  readonly maxItemBytes: number;
}

/** Size of memcached's item header and of the CAS behind it, on 64-bit machines (memcached's `items.c`). */
const ITEM_OVERHEAD = 48 + 8;

/** What memcached counts for an item: header, CAS, key and its NUL, flags unless they are 0, value and CRLF. */
export function itemBytes(keyLength: number, flags: number, valueLength: number): number {
  return ITEM_OVERHEAD + keyLength + 1 + (flags === 0 ? 0 : 4) + valueLength + 2;
}

const NOTHING = Buffer.alloc(0);
const MAX_U64 = 2n ** 64n - 1n;
const MAX_U64_DIGITS = 20;
const SIGN_BIT = 2n ** 63n;

/**
 * The number that memcached's `safe_strtoull` finds in a stored value, `undefined` where it refuses: C white space
 * and a sign before it are accepted, and so is anything after a white space or a NUL behind it.
 */
export function counterValue(text: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)(\d+)(?![^ \t\n\v\f\r\0])/.exec(text);
  const digits = match?.[2]?.replace(/^0+(?=\d)/, '');
  if (digits === undefined || digits.length > MAX_U64_DIGITS) return undefined;
  const magnitude = BigInt(digits);
  if (magnitude > MAX_U64) return undefined;
  if (match?.[1] !== '-') return magnitude;
  const wrapped = BigInt.asUintN(64, -magnitude);
  return wrapped >= SIGN_BIT ? undefined : wrapped;
}

/**
 * The items. Values are immutable: a mutation replaces the buffer, so that an answer being sent may refer to it.
 * Expired items leave when they are looked up; the evictor is a clock over insertion order (second chance).
 */
export class Store {
  lastCas = 0n;
  bytes = 0;
  evictions = 0;
  totalItems = 0;
  readonly #items = new Map<string, Item>();
  readonly #options: StoreOptions;
  #casCounter = 0n;
  #flushAt = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#items.size;
  }

  /** Whether an item of these lengths may be stored at all. */
  fits(keyLength: number, flags: number, valueLength: number): boolean {
    return itemBytes(keyLength, flags, valueLength) <= this.#options.maxItemBytes;
  }

  /** The item as it is, without the marks of a fetch. */
  find(key: string): Item | undefined {
    if (this.#flushAt !== 0) this.#flushIfDue();
    const item = this.#items.get(key);
    if (item === undefined) return undefined;
    if (item.expiresAt !== 0 && item.expiresAt <= this.#options.clock()) {
      this.#drop(item);
      return undefined;
    }
    item.used = true;
    return item;
  }

  get(key: string): Item | undefined {
    const item = this.find(key);
    if (item !== undefined) this.fetched(item);
    return item;
  }

  fetched(item: Item): void {
    item.fetched = true;
    item.accessedAt = this.#options.clock();
  }

  /** Stores a copy of the value. */
  store(write: Write): Outcome {
    const old = this.find(write.key);
    switch (write.mode) {
      case 'set':
        break;
      case 'add':
        if (old !== undefined) return Status.keyExists;
        break;
      case 'replace':
        if (old === undefined) return Status.keyNotFound;
        break;
      case 'cas':
        if (old === undefined) return Status.keyNotFound;
        if (write.mayBeStale && write.cas !== 0n && write.cas < old.cas) return this.#storeStale(write, old);
        if (old.cas !== write.cas) return Status.keyExists;
        break;
      case 'append':
      case 'prepend':
        return this.#extend(write, old);
    }
    this.#put(write, this.deadline(write.expiry), Buffer.from(write.value), old);
    return Status.success;
  }

  remove(key: string, cas = 0n): Outcome {
    const old = this.find(key);
    if (old === undefined) return Status.keyNotFound;
    if (!casAllows(old, cas)) return Status.keyExists;
    this.#drop(old);
    return Status.success;
  }

  /** Marks an item as stale, under a new CAS: whoever fetches it next is told to make a new value. */
  invalidate(item: Item, newCas = this.#nextCas()): void {
    item.stale = true;
    item.claimed = false;
    item.cas = newCas;
    this.lastCas = newCas;
  }

  /** Sets a new expiry; returns the item, its CAS unchanged. */
  touch(key: string, expiry: number): Item | undefined {
    const item = this.get(key);
    if (item !== undefined) item.expiresAt = this.deadline(expiry);
    return item;
  }

  /**
   * Adds `delta` modulo 2^64, or subtracts it down to 0. Returns the new number or the status of the refusal.
   * A result with fewer digits than the stored text is padded with spaces to its length, as memcached does in place.
   */
  count(key: string, delta: bigint, up: boolean, cas: bigint, newCas?: bigint): bigint | Outcome {
    const old = this.find(key);
    if (old === undefined) return Status.keyNotFound;
    if (old.value.length === 0) return Status.nonNumeric;
    if (!casAllows(old, cas)) return Status.keyExists;
    const before = counterValue(old.value.toString('latin1'));
    if (before === undefined) return Status.nonNumeric;
    const after = up ? BigInt.asUintN(64, before + delta) : before > delta ? before - delta : 0n;
    const digits = after.toString();
    const { flags, stale, claimed, fetched, binaryKey } = old;
    const inPlace = digits.length <= old.value.length;
    const text = Buffer.from(digits.padEnd(old.value.length, ' '), 'latin1');
    const item = this.#put({ key, flags, newCas, binaryKey }, old.expiresAt, text, old);
    if (inPlace) Object.assign(item, { stale, claimed, fetched });
    return after;
  }

  /** Removes everything, now or `delay` (seconds, 30-day rule) from now; a later call replaces a pending one. */
  flush(delay = 0): void {
    if (delay === 0) {
      this.#flushAt = 0;
      this.clear();
    } else {
      this.#flushAt = this.deadline(delay);
    }
  }

  clear(): void {
    this.#items.clear();
    this.bytes = 0;
  }

  #flushIfDue(): void {
    if (this.#options.clock() < this.#flushAt) return;
    this.#flushAt = 0;
    this.clear();
  }

  /** An expiry of the protocol as a time of the clock. */
  deadline(expiry: number): number {
    if (expiry === 0) return 0;
    if (expiry > MAX_RELATIVE_SECONDS) return expiry * 1000;
    return this.#options.clock() + expiry * 1000;
  }

  /** Seconds that an item has left at most, 0 or less for one that has none; undefined for one that stays. */
  secondsLeft(expiresAt: number): number | undefined {
    return expiresAt === 0 ? undefined : Math.ceil((expiresAt - this.#options.clock()) / 1000);
  }

  secondsSince(time: number): number {
    return Math.floor((this.#options.clock() - time) / 1000);
  }

  /** A late value: it replaces the old one, of which expiry and claim stay. */
  #storeStale(write: Write, old: Item): Outcome {
    const { claimed } = old;
    const item = this.#put(write, old.expiresAt, Buffer.from(write.value), old);
    item.stale = true;
    item.claimed = claimed;
    return Status.success;
  }

  /** Flags and expiry of the item stay. */
  #extend(write: Write, old: Item | undefined): Outcome {
    const { key, value, mode, cas, orCreate } = write;
    if (old === undefined) {
      if (orCreate === undefined) return Status.notStored;
      this.#put(write, this.deadline(orCreate), Buffer.from(value), undefined);
      return Status.success;
    }
    if (!casAllows(old, cas)) return Status.keyExists;
    if (!this.fits(key.length, old.flags, old.value.length + value.length)) return Status.notStored;
    const whole = Buffer.concat(mode === 'append' ? [old.value, value] : [value, old.value]);
    this.#put({ ...write, flags: old.flags }, old.expiresAt, whole, old);
    return Status.success;
  }

  #nextCas(): bigint {
    this.#casCounter += 1n;
    return this.#casCounter;
  }

  #put(
    { key, flags, newCas, binaryKey = false }: Pick<Write, 'key' | 'flags' | 'newCas' | 'binaryKey'>,
    expiresAt: number,
    value: Buffer,
    old: Item | undefined,
  ): Item {
    const cas = newCas ?? this.#nextCas();
    this.lastCas = cas;
    this.bytes += itemBytes(key.length, flags, value.length);
    if (old !== undefined) this.bytes -= itemBytes(key.length, old.flags, old.value.length);
    const item = old ?? newItem(key);
    item.value = value;
    item.flags = flags;
    item.expiresAt = expiresAt;
    item.cas = cas;
    item.accessedAt = this.#options.clock();
    item.fetched = false;
    item.stale = false;
    item.claimed = false;
    item.binaryKey = binaryKey;
    if (old === undefined) this.#items.set(key, item);
    this.totalItems += 1;
    if (this.bytes > this.#options.maxBytes) this.#evict();
    return item;
  }

  #drop(item: Item): void {
    this.#items.delete(item.key);
    this.bytes -= itemBytes(item.key.length, item.flags, item.value.length);
  }

  #evict(): void {
    for (const [key, item] of this.#items) {
      if (this.bytes <= this.#options.maxBytes || this.#items.size === 1) return;
      if (item.used) {
        item.used = false;
        this.#items.delete(key);
        this.#items.set(key, item);
      } else {
        this.#drop(item);
        this.evictions += 1;
      }
    }
  }
}

function newItem(key: string): Item {
  return {
    key,
    value: NOTHING,
    flags: 0,
    expiresAt: 0,
    cas: 0n,
    accessedAt: 0,
    fetched: false,
    stale: false,
    claimed: false,
    binaryKey: false,
    used: false,
  };
}

function casAllows(item: Item, cas: bigint): boolean {
  return cas === 0n || item.cas === cas;
}
