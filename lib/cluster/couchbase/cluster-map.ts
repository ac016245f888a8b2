import type { PartitionMap } from './partition-map';
import type { Revision } from './revision';

/** The ports of the services that this package uses; undefined: the node does not offer the service. */
export interface Ports {
  readonly kv: number | undefined;
  readonly kvTls: number | undefined;
  readonly management: number | undefined;
  readonly managementTls: number | undefined;
}

/** The address of a node in one network. */
export interface NodeAddress {
  readonly host: string;
  readonly ports: Ports;
}

export interface ClusterNode {
  /** The address that the other nodes use: that of the network 'default'. */
  readonly internal: NodeAddress;
  /** By network name. */
  readonly alternates: ReadonlyMap<string, NodeAddress>;
  /** It is the node that sent the configuration. */
  readonly isOrigin: boolean;
  readonly serverGroup: string | undefined;
}

export interface BucketMap {
  readonly name: string;
  readonly uuid: string | undefined;
  readonly capabilities: ReadonlySet<string>;
  /** undefined: the bucket is being created and no partitions are assigned yet. */
  readonly partitions: PartitionMap | undefined;
}

/** One configuration of a cluster. Immutable; the next configuration replaces it. */
export interface ClusterMap {
  readonly revision: Revision;
  readonly nodes: readonly ClusterNode[];
  /** The nodes that serve data; the partition map contains indexes into this list. */
  readonly servers: readonly ClusterNode[];
  /** undefined: the global configuration of the cluster, which a connection without a bucket gets. */
  readonly bucket: BucketMap | undefined;
  /** By service name. */
  readonly clusterCapabilities: ReadonlyMap<string, ReadonlySet<string>>;
}
