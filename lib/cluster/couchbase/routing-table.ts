import type { HostPort } from '../connection-string';
import type { ClusterState } from './configurations';
import { NOBODY, partitionOf } from './partition-map';

/** Where keys are, among servers that can be connected to: what native code routes by, and who checks it. */
export interface RoutingTable {
  readonly servers: readonly HostPort[];
  /** 0: none are given out, and no key has a server. */
  readonly partitions: number;
  /** Of each partition: the active one and its replicas. */
  readonly copies: number;
  /** For each partition, for each copy of it: an index of `servers`, or -1 where nobody has it who can be connected to. */
  readonly rows: Int16Array;
}

/** In memory of the caller's. Servers that do not listen for what is wanted, as for TLS, are not in it. */
export function routingTableOf({ map, servers }: ClusterState): RoutingTable {
  const reachable = servers.filter((server) => server !== undefined);
  const places = new Map(reachable.map((server, place) => [server, place]));
  const partitions = map.bucket?.partitions;
  const rows = (partitions?.allServers() ?? new Int16Array(0)).map((index) => {
    const server = servers[index];
    return server === undefined ? NOBODY : (places.get(server) ?? NOBODY);
  });
  const copies = (partitions?.replicas ?? 0) + 1;
  return { servers: reachable, partitions: partitions?.count ?? 0, copies, rows };
}

/** Which server has a copy of a key; undefined: nobody who can be connected to. */
export function serverOf(table: RoutingTable, key: string | Uint8Array, copy = 0): HostPort | undefined {
  if (table.partitions === 0 || copy < 0 || copy >= table.copies) return undefined;
  const index = table.rows[partitionOf(key, table.partitions) * table.copies + copy] ?? NOBODY;
  return table.servers[index];
}
