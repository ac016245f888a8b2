// What the loops that put load on a client share.
import type { Client, Contender, Value } from './contenders/contender.mts';
import { makeValue } from './keys.mts';
import type { Latencies } from './latencies.mts';
import type { LoadRequest } from './measurement.mts';
import type { Phases } from './phases.mts';

/** Keeps one operation in flight until the run is over; a run starts as many as its depth. */
export type Loop = () => Promise<void>;

export interface LoopContext {
  client: Client;
  contender: Contender;
  request: LoadRequest;
  latencies: Latencies;
  phases: Phases;
}

/** At depth 1 latency is the result and every operation is timed; deeper, the clock would cost what it measures. */
export function timedMask(depth: number): number {
  return depth === 1 ? 0 : 15;
}

/** The value of `key` in the form the contender moves best. */
export function valueFor(contender: Contender, key: string, size: number): Value {
  const value = makeValue(key, size);
  return contender.values === 'string' ? value.toString('latin1') : value;
}

export function checkLength(
  key: string,
  value: Value | null | undefined,
  size: number,
): asserts value is Value {
  if (value?.length !== size) throw new Error(`${key}: ${value?.length} bytes came back instead of ${size}`);
}
