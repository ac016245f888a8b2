import type { PartitionMap } from './partition-map';
import type { Revision } from './revision';

/** Of the services that this package uses; undefined: the node does not have it. */
export interface Ports {
  readonly kv: number | undefined;
  readonly kvTls: number | undefined;
  readonly management: number | undefined;
  readonly managementTls: number | undefined;
}

/** Where a node is in one network. */
export interface NodeAddress {
  readonly host: string;
  readonly ports: Ports;
}

export interface ClusterNode {
  /** Where the other nodes reach it: the network 'default'. */
  readonly internal: NodeAddress;
  /** By the name of the network. */
  readonly alternates: ReadonlyMap<string, NodeAddress>;
  /** It is the one that has told the configuration. */
  readonly isTeller: boolean;
  readonly serverGroup: string | undefined;
}

export interface BucketMap {
  readonly name: string;
  readonly uuid: string | undefined;
  readonly capabilities: ReadonlySet<string>;
  /** undefined: of a bucket that is being made, none are given out yet. */
  readonly partitions: PartitionMap | undefined;
}

/** A cluster at one moment, as one configuration tells of it. It never changes, the next takes its place. */
export interface ClusterMap {
  readonly revision: Revision;
  readonly nodes: readonly ClusterNode[];
  /** The nodes that serve data, in the order of the partition map's indexes. */
  readonly servers: readonly ClusterNode[];
  /** undefined: the configuration is the cluster's own, as one gets it before a bucket is selected. */
  readonly bucket: BucketMap | undefined;
  /** By service. */
  readonly clusterCapabilities: ReadonlyMap<string, ReadonlySet<string>>;
}
