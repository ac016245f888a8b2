// No client at all: promises that wait for their turn of the event loop and are settled in bursts, as answers are. What it
// costs is what the load loop and its promises cost by themselves, at the same depth.
import { setImmediate } from 'node:timers';
import type { Client, Contender, Target, Value } from './contender.mts';

type Resolve = (value: Value) => void;

/** Settled in one turn, about as many as a client finds in one read. */
const burst = 1000;

async function open({ valueSize }: Target): Promise<Client> {
  const value = Buffer.alloc(valueSize);
  const bursts: Resolve[][] = [];
  const turn = () => {
    for (const resolve of bursts.shift() ?? []) resolve(value);
    if (bursts.length > 0) setImmediate(turn);
  };
  const wait = (resolve: Resolve) => {
    const last = bursts.at(-1);
    if (last !== undefined && last.length < burst) last.push(resolve);
    else if (bursts.push([resolve]) === 1) setImmediate(turn);
  };
  const pending = () => new Promise<Value>(wait);
  return {
    get: pending,
    set: pending,
    getMany: async (keys) => {
      const values = await Promise.all(keys.map(pending));
      return (_key, index) => values[index];
    },
    close: () => Promise.resolve(),
  };
}

export const contender: Contender = { name: 'loop-floor', values: 'buffer', open };
