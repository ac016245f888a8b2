import type { ClusterMap } from './cluster-map';
import { NOBODY } from './partition-map';

/** A copy of a partition on a server. */
export interface Copy {
  /** 0: the active copy. */
  readonly copy: number;
  /** An index into ClusterMap.servers. */
  readonly server: number;
}

/** The existing copies of a partition, the active one first. `serverGroup`: only those in this group. */
export function copiesOf(map: ClusterMap, partition: number, serverGroup?: string): readonly Copy[] {
  const partitions = map.bucket?.partitions;
  if (partitions === undefined) return [];
  return Array.from({ length: partitions.replicas + 1 }, (_, copy) => ({
    copy,
    server: partitions.serverOf(partition, copy),
  })).filter(({ server }) => server !== NOBODY && isIn(map, server, serverGroup));
}

const isIn = (map: ClusterMap, server: number, serverGroup: string | undefined): boolean =>
  serverGroup === undefined || map.servers[server]?.serverGroup === serverGroup;
