import type { TlsOptions } from 'node:tls';
import type { Credentials } from '../credentials';

/** One bucket. Options left out default to those of the cluster. */
export interface BucketOptions {
  readonly name: string;
  readonly replicas?: number | undefined;
  readonly vbuckets?: number | undefined;
  /** Names of collections by scope, in addition to the default collection. */
  readonly collections?: Readonly<Record<string, readonly string[]>> | undefined;
  /** The capabilities in its configuration; default: those of a current server (collections, durable writes, xattrs and older ones). */
  readonly capabilities?: readonly string[] | undefined;
  /** Maximum time to live of its documents, in seconds; default 0: no limit. */
  readonly maxTtl?: number | undefined;
}

/** Options of `startCluster`. */
export interface ClusterOptions {
  /** Number of nodes; default 1. */
  readonly nodes?: number | undefined;
  /** Number of replicas of each document; default 1, or 0 with a single node. */
  readonly replicas?: number | undefined;
  /** Number of vbuckets of a bucket; default 64. */
  readonly vbuckets?: number | undefined;
  /** Default: one bucket named `default`. */
  readonly buckets?: readonly (string | BucketOptions)[] | undefined;
  /** Names of collections by scope, for buckets without `collections` of their own. */
  readonly collections?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Default: `Administrator` and `password`. */
  readonly credentials?: Credentials | undefined;
  /** SASL mechanisms, in the order in which they are listed; default: SCRAM-SHA512, SCRAM-SHA256, SCRAM-SHA1, PLAIN. */
  readonly mechanisms?: readonly string[] | undefined;
  /** Feature codes that HELLO does not grant, as with an older server. */
  readonly withoutFeatures?: readonly number[] | undefined;
  /** Text of the error map; default: a map of version 2 without retry specifications, as current servers send it. */
  readonly errorMap?: string | undefined;
  /** The version that the nodes report; default '7.6.0-evenkeel'. */
  readonly version?: string | undefined;
  /** Address to bind to; default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** The hostname of each node in configurations. Default: none, so clients use the address they are connected to. */
  readonly hostnames?: readonly string[] | undefined;
  /** Alternate hostnames of the nodes, by network: one for each node, with the same ports. */
  readonly alternateAddresses?: Readonly<Record<string, readonly string[]>> | undefined;
  /** The server group of each node; default: none. */
  readonly serverGroups?: readonly string[] | undefined;
  /** Each node has a second port with TLS. The options are those of `tls.createServer`; `key` and `cert` are required. */
  readonly tls?: TlsOptions | undefined;
  /** Keeps everything the nodes receive for `received()` and `commands()`; default false. */
  readonly record?: boolean | undefined;
  /** Runs the cluster in its own worker thread, so that a busy client does not slow it down. */
  readonly worker?: boolean | undefined;
  /** Milliseconds since the Unix epoch; default `Date.now`. Not with `worker`. `timeTravel` adds to it. */
  readonly clock?: (() => number) | undefined;
}

/** How a rebalance moves the vbuckets. */
export interface RebalanceOptions {
  /** Number of nodes to start and add; default 0. */
  readonly add?: number | undefined;
  /** Numbers of the nodes that have no data afterwards. */
  readonly remove?: readonly number[] | undefined;
  /** Numbers of nodes that were failed over or removed before, and get data again. */
  readonly back?: readonly number[] | undefined;
  /**
   * The order of a hand-over. 'old first' (default): the old node stops before the new one starts and before the new map is
   * published, so for a moment neither serves the vbucket. 'new first': the new node starts and the new map is published before the
   * old one stops, so for a moment both serve it.
   */
  readonly order?: 'old first' | 'new first' | undefined;
  /** Milliseconds between the two steps of each hand-over. Default 0: one turn of the event loop. */
  readonly pause?: number | undefined;
}

/** A text to send instead of the true configuration; it need not be JSON. */
export interface ForgedConfiguration {
  readonly text: string;
  /** The version sent with pushes and compared with the version that a client knows; default: the next one. */
  readonly epoch?: bigint | undefined;
  readonly revision?: bigint | undefined;
  /** Number of the node that sends it; default: all nodes. */
  readonly node?: number | undefined;
}

/** A stored copy of a document. */
export interface DocumentView {
  readonly value: Buffer;
  readonly flags: number;
  /** Seconds since the Unix epoch; 0: never. */
  readonly expiry: number;
  readonly cas: bigint;
  readonly seqno: bigint;
  readonly partition: number;
  /** JSON texts by name. */
  readonly xattrs: Readonly<Record<string, string>>;
  readonly deletion: 'deleted' | 'expired' | undefined;
}

/** Where to look for a document; default: the default collection of the first bucket. */
export interface DocumentPlace {
  readonly bucket?: string | undefined;
  readonly scope?: string | undefined;
  readonly collection?: string | undefined;
  /** Number of the node whose copy is returned; default: the node with the active copy. */
  readonly node?: number | undefined;
}

export interface NodeAddress {
  readonly number: number;
  readonly host: string;
  readonly port: number;
  readonly securePort: number | undefined;
}
