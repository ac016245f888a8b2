// The plain loads: gets, sets, four gets to a set, and multi-gets, over a fixed set of keys in turn.
import type { Value } from './contenders/contender.mts';
import { isValueOf, makeKeys } from './keys.mts';
import { checkLength, type Loop, type LoopContext, timedMask, valueFor } from './loop.mts';
import type { Operation } from './measurement.mts';

/** Up to here every key has its own value to set; larger values are shared, or they would be the memory measured. */
const ownValueLimit = 4096;
const contentMask = 63;

const isSet: Partial<Record<Operation, (n: number) => boolean>> = {
  set: () => true,
  mix: (n) => n % 5 === 0,
};

export function cycle({ client, contender, request, latencies, phases }: LoopContext): Loop {
  const { operation, depth, batch, keyPrefix, keyCount, valueSize, stores } = request;
  const keys = makeKeys(keyPrefix, keyCount);
  const sets = isSet[operation] ?? (() => false);
  const shared = valueFor(contender, keys[0] ?? '', valueSize);
  const own = isSet[operation] !== undefined && valueSize <= ownValueLimit;
  const values = keys.map((key) => (own ? valueFor(contender, key, valueSize) : shared));
  const mask = timedMask(depth);
  let issued = 0;

  const check = (key: string, value: Value | null | undefined, n: number) => {
    checkLength(key, value, valueSize);
    if (stores && (n & contentMask) === 0 && !isValueOf(key, value)) throw new Error(`${key}: another value`);
  };

  async function one(): Promise<void> {
    while (phases.running) {
      const n = issued++;
      const index = n % keyCount;
      const key = keys[index] ?? '';
      const started = (n & mask) === 0 ? performance.now() : -1;
      if (sets(n)) await client.set(key, values[index] ?? shared);
      else check(key, await client.get(key), n);
      if (started >= 0) latencies.record(performance.now() - started);
      phases.finished(1);
    }
  }

  async function many(): Promise<void> {
    while (phases.running) {
      const n = issued++;
      const first = (n * batch) % keyCount;
      const wanted = keys.slice(first, first + batch);
      const started = performance.now();
      const found = await client.getMany(wanted);
      latencies.record(performance.now() - started);
      const sample = n % wanted.length;
      const key = wanted[sample] ?? '';
      check(key, found(key, sample), 0);
      phases.finished(wanted.length);
    }
  }

  return operation === 'getmany' ? many : one;
}
