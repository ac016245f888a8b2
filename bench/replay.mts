// A production cache cluster's traffic (data/README.md), as far as every contender can carry it: its key sizes, value
// sizes, popularity, misses and their fills. Conditional writes are sent as plain ones. The generator's own cost is
// part of every contender's figures, as the application's would be.
import { readFileSync } from 'node:fs';
import { WorkloadGenerator } from '../lib/workload/generator.ts';
import type { Operation } from '../lib/workload/operation.ts';
import { parseProfiles } from '../lib/workload/profile.ts';
import { checkLength, type Loop, type LoopContext, timedMask, valueFor } from './loop.mts';

const residentKeys = 20_000;
const prefillDepth = 64;

export async function replay(context: LoopContext): Promise<Loop> {
  const { client, contender, request, latencies, phases } = context;
  const table = new URL('../../data/production-cache-workloads.csv', import.meta.url); // from build-bench/load/
  const profile = parseProfiles(readFileSync(table, 'utf8')).find((each) => each.name === request.workload);
  if (!profile) throw new Error(`no workload is named ${request.workload}`);
  // Another serial each run, so that no contender finds the keys that are meant to be missing.
  const serial = Math.floor(Math.random() * 2 ** 31);
  const generator = new WorkloadGenerator(profile, { keys: residentKeys, serial });
  const value = valueFor(contender, 'workload', profile.valueBytes);
  const mask = timedMask(request.depth);
  let issued = 0;

  async function perform(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'get':
      case 'gets': {
        const found = await client.get(operation.key);
        if (found !== undefined && found !== null) {
          checkLength(operation.key, found, profile?.valueBytes ?? 0);
          return;
        }
        if (!operation.transient) throw new Error(`${operation.key}: stored, and not found`);
        const fill = generator.missed(operation);
        if (fill) await client.set(fill.key, value);
        return;
      }
      case 'set':
      case 'add':
      case 'replace':
      case 'cas':
        await client.set(operation.key, value);
        return;
      default:
        throw new Error(`${profile?.name} has ${operation.kind}, which not every contender offers`);
    }
  }

  const writes = generator.prefill();
  const prefill = async () => {
    for (const write of writes) await client.set(write.key, value);
  };
  await Promise.all(Array.from({ length: prefillDepth }, prefill));

  return async () => {
    while (phases.running) {
      const started = (issued++ & mask) === 0 ? performance.now() : -1;
      await perform(generator.next());
      if (started >= 0) latencies.record(performance.now() - started);
      phases.finished(1);
    }
  };
}
