import type { ClusterMap } from './cluster-map';
import { NOBODY } from './partition-map';

/** A copy of a partition that some server has. */
export interface Copy {
  /** 0: the active one. */
  readonly copy: number;
  /** An index of ClusterMap.servers. */
  readonly server: number;
}

/**
 * The copies of a partition, the active one first; those in the server group, if one is given, and no others. Empty where there
 * are none.
 */
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
