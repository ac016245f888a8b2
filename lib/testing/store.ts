import { MAX_RELATIVE_SECONDS, Status } from './protocol';

/** Flags are an unsigned 32-bit number, `expiresAt` milliseconds of the store's clock (0: never), `cas` below 2^53. */
export interface Item {
  readonly key: string;
  value: Buffer;
  flags: number;
  expiresAt: number;
  cas: number;
  /** Read since the evictor last passed by. */
  used: boolean;
}

/** What a mutation ended with: a status of the protocol; `Store.lastCas` belongs to the last successful one. */
export type Outcome = number;

export type StoreMode = 'set' | 'add' | 'replace';

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
  lastCas = 0;
  bytes = 0;
  evictions = 0;
  totalItems = 0;
  readonly #items = new Map<string, Item>();
  readonly #options: StoreOptions;
  #casCounter = 0;
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

  get(key: string): Item | undefined {
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

  /** Stores a copy of `value`. A CAS other than 0 makes it conditional, whatever the mode, as memcached does. */
  store(
    mode: StoreMode,
    key: string,
    flags: number,
    expiry: number,
    value: Buffer,
    casHigh: number,
    casLow: number,
  ): Outcome {
    const old = this.get(key);
    if ((casHigh | casLow) !== 0) {
      if (old === undefined) return Status.keyNotFound;
      if (!sameCas(old, casHigh, casLow)) return Status.keyExists;
    } else if (mode === 'add' && old !== undefined) {
      return Status.keyExists;
    } else if (mode === 'replace' && old === undefined) {
      return Status.keyNotFound;
    }
    this.#put(key, flags, this.#deadline(expiry), Buffer.from(value), old);
    return Status.success;
  }

  /** Appends (or prepends) to an existing item; its flags and expiry stay. */
  extend(key: string, value: Buffer, atEnd: boolean, casHigh: number, casLow: number): Outcome {
    const old = this.get(key);
    if (old === undefined) return Status.notStored;
    if (!casAllows(old, casHigh, casLow)) return Status.keyExists;
    if (!this.fits(key.length, old.flags, old.value.length + value.length)) return Status.notStored;
    const whole = Buffer.concat(atEnd ? [old.value, value] : [value, old.value]);
    this.#put(key, old.flags, old.expiresAt, whole, old);
    return Status.success;
  }

  remove(key: string, casHigh: number, casLow: number): Outcome {
    const old = this.get(key);
    if (old === undefined) return Status.keyNotFound;
    if (!casAllows(old, casHigh, casLow)) return Status.keyExists;
    this.#drop(old);
    return Status.success;
  }

  /** Sets a new expiry; returns the item, its CAS unchanged. */
  touch(key: string, expiry: number): Item | undefined {
    const item = this.get(key);
    if (item !== undefined) item.expiresAt = this.#deadline(expiry);
    return item;
  }

  /**
   * Adds `delta` modulo 2^64, or subtracts it down to 0. Returns the new number or the status of the refusal.
   * A result with fewer digits than the stored text is padded with spaces to its length, as memcached does in place.
   */
  count(key: string, delta: bigint, up: boolean, casHigh: number, casLow: number): bigint | Outcome {
    const old = this.get(key);
    if (old === undefined) return Status.keyNotFound;
    if (old.value.length === 0) return Status.nonNumeric;
    if (!casAllows(old, casHigh, casLow)) return Status.keyExists;
    const before = counterValue(old.value.toString('latin1'));
    if (before === undefined) return Status.nonNumeric;
    const after = up ? BigInt.asUintN(64, before + delta) : before > delta ? before - delta : 0n;
    const text = Buffer.from(after.toString().padEnd(old.value.length, ' '), 'latin1');
    this.#put(key, old.flags, old.expiresAt, text, old);
    return after;
  }

  /** Removes everything, now or `delay` (seconds, 30-day rule) from now; a later call replaces a pending one. */
  flush(delay = 0): void {
    if (delay === 0) {
      this.#flushAt = 0;
      this.clear();
    } else {
      this.#flushAt = this.#deadline(delay);
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
  #deadline(expiry: number): number {
    if (expiry === 0) return 0;
    if (expiry > MAX_RELATIVE_SECONDS) return expiry * 1000;
    return this.#options.clock() + expiry * 1000;
  }

  #put(key: string, flags: number, expiresAt: number, value: Buffer, old: Item | undefined): void {
    this.#casCounter += 1;
    this.lastCas = this.#casCounter;
    this.bytes += itemBytes(key.length, flags, value.length);
    if (old !== undefined) {
      this.bytes -= itemBytes(key.length, old.flags, old.value.length);
      old.value = value;
      old.flags = flags;
      old.expiresAt = expiresAt;
      old.cas = this.lastCas;
    } else {
      this.#items.set(key, { key, value, flags, expiresAt, cas: this.lastCas, used: false });
    }
    this.totalItems += 1;
    if (this.bytes > this.#options.maxBytes) this.#evict();
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

function sameCas(item: Item, casHigh: number, casLow: number): boolean {
  return item.cas >>> 0 === casLow && Math.floor(item.cas / 2 ** 32) === casHigh;
}

function casAllows(item: Item, casHigh: number, casLow: number): boolean {
  return (casHigh | casLow) === 0 || sameCas(item, casHigh, casLow);
}
