/**
 * Shorter keys could not contain a population, a workload and enough ranks; no published profile is shorter than 10.
 */
export const MIN_KEY_BYTES = 8;

/** The longest key of the memcached protocols, in bytes. */
export const MAX_KEY_BYTES = 250;

/** Serial numbers of transient keys are exact integers below this. */
const MAX_SERIAL = 2 ** 50;

/**
 * Generates key names of exactly one length: a letter for the population, two characters for the workload (so that
 * workloads on one server never collide), then filler and the number in base 36. Each number always has the same name,
 * and two numbers below {@link capacity} never share one.
 */
export class KeyNames {
  /** The number of distinct names. */
  readonly capacity: number;
  readonly #stem: string;
  readonly #bytes: number;

  constructor(population: string, workload: string, bytes: number) {
    this.#bytes = Math.min(Math.max(Math.round(bytes), MIN_KEY_BYTES), MAX_KEY_BYTES);
    this.#stem = (population + workloadTag(workload)).padEnd(this.#bytes, '0');
    this.capacity = Math.min(36 ** (this.#bytes - 3), MAX_SERIAL);
  }

  name(number: number): string {
    const digits = number.toString(36);
    return this.#stem.slice(0, this.#bytes - digits.length) + digits;
  }
}

/**
 * The names of a fixed set of keys, cached because building one costs more than the rest of generating an operation.
 */
export class KeyTable {
  readonly #names: KeyNames;
  readonly #cached: (string | undefined)[];

  constructor(names: KeyNames, size: number) {
    this.#names = names;
    this.#cached = new Array<string | undefined>(size).fill(undefined);
  }

  at(index: number): string {
    const cached = this.#cached[index];
    if (cached !== undefined) return cached;
    const name = this.#names.name(index);
    this.#cached[index] = name;
    return name;
  }
}

function workloadTag(workload: string): string {
  const number = /(\d+)$/.exec(workload)?.[1];
  let tag = number === undefined ? 0 : Number(number);
  if (number === undefined) for (const char of workload) tag = (tag * 31 + char.charCodeAt(0)) >>> 0;
  return (tag % 1296).toString(36).padStart(2, '0');
}
