import type { HostPort } from '../connection-string';
import type { ClusterState } from './configurations';
import { NOBODY, partitionOf } from './partition-map';

/** The assignment of partitions to servers that the client can connect to, for native code and its tests. */
export interface RoutingTable {
  readonly servers: readonly HostPort[];
  /** 0: no partitions are assigned yet. */
  readonly partitions: number;
  /** Copies per partition: the active one and the replicas. */
  readonly copies: number;
  /** For each copy of each partition an index into `servers`, or -1: no server that the client can connect to. */
  readonly rows: Int16Array;
}

/** Leaves out servers without the required port, for example for TLS. */
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

/** The server of a copy of a key; undefined: no server that the client can connect to. */
export function serverOf(table: RoutingTable, key: string | Uint8Array, copy = 0): HostPort | undefined {
  if (table.partitions === 0 || copy < 0 || copy >= table.copies) return undefined;
  const index = table.rows[partitionOf(key, table.partitions) * table.copies + copy] ?? NOBODY;
  return table.servers[index];
}
