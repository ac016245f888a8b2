import type { Database, EvenkeelError } from '../index';
import { type LatencyStats, latencySince } from '../observability/latency';
import { performanceNow } from '../platform';
import { oneLine } from './report';
import type { ServerSample } from './server-rates';

/**
 * Requests the version of all servers, which is cheap and measures the round trip, and then the statistics of those
 * that answered. Each request has `timeout` ms.
 */
export async function sampleServers(db: Database, timeout: number): Promise<ServerSample[]> {
  const before = latencies(db);
  const { values: versions, errors } = await db.serverVersions({ timeout });
  const after = latencies(db);
  const nodes = db.topology.nodes.filter(({ name }) => versions.has(name) || errors.has(name));
  return Promise.all(
    nodes.map(async ({ name }): Promise<ServerSample> => {
      const told = versions.has(name) ? await db.serverStats({ server: name, timeout }) : undefined;
      const node = db.topology.nodes.find((each) => each.name === name);
      const error: EvenkeelError | undefined = errors.get(name) ?? told?.errors.get(name);
      const probe = after.get(name);
      return {
        name,
        state: node?.state ?? 'closed',
        at: performanceNow(),
        version: versions.get(name),
        stats: told?.values.get(name),
        fault: error && oneLine((node?.state === 'connected' ? undefined : node?.lastFault) ?? error),
        latency: versions.has(name) && probe ? latencySince(probe, before.get(name)).max : undefined,
      };
    }),
  );
}

function latencies(db: Database): ReadonlyMap<string, LatencyStats> {
  return new Map(db.stats().nodes.map(({ name, latency }) => [name, latency]));
}
