import type { TlsOptions } from 'node:tls';
import type { Credentials } from '../credentials';

/** A bucket to begin with; what it does not say, the cluster says. */
export interface BucketOptions {
  readonly name: string;
  readonly replicas?: number | undefined;
  readonly vbuckets?: number | undefined;
  /** Collections by their scopes, beside the default one. */
  readonly collections?: Readonly<Record<string, readonly string[]>> | undefined;
  /** What its configuration says it can do; default: collections, durable writes, xattrs and what is older. */
  readonly capabilities?: readonly string[] | undefined;
  /** Longest life of documents in seconds; default 0: no limit. */
  readonly maxTtl?: number | undefined;
}

/** How a cluster is started. */
export interface ClusterOptions {
  /** Number of nodes; default 1. */
  readonly nodes?: number | undefined;
  /** Copies of every document beside its active one; default 1, or 0 with a single node. */
  readonly replicas?: number | undefined;
  /** Vbuckets of a bucket; default 64. */
  readonly vbuckets?: number | undefined;
  /** Default: one with the name `default`. */
  readonly buckets?: readonly (string | BucketOptions)[] | undefined;
  /** Collections by their scopes, of buckets that do not say which they have. */
  readonly collections?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Default `Administrator` and `password`. */
  readonly credentials?: Credentials | undefined;
  /** Mechanisms of SASL, in the order in which they are told; default: the three of SCRAM, and PLAIN. */
  readonly mechanisms?: readonly string[] | undefined;
  /** Features that HELLO does not grant, by their numbers, as with an older server. */
  readonly withoutFeatures?: readonly number[] | undefined;
  /** The error map, as text; default: one of version 2 without times of retries, as servers of today have it. */
  readonly errorMap?: string | undefined;
  /** What nodes say of themselves; default '7.6.0-evenkeel'. */
  readonly version?: string | undefined;
  /** Address to bind to; default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Of each node, as configurations name it; default: none, which stands for the address that the client has asked. */
  readonly hostnames?: readonly string[] | undefined;
  /** Other names of the nodes by the network that knows them: of each node one, the ports are the same. */
  readonly alternateAddresses?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Of each node. */
  readonly serverGroups?: readonly string[] | undefined;
  /** Each node listens with TLS as well, with these options of `tls.createServer`: `key` and `cert` at least. */
  readonly tls?: TlsOptions | undefined;
  /** Keeps everything that nodes receive for `received()` and `commands()`; off by default. */
  readonly record?: boolean | undefined;
  /** Runs in a worker thread of its own, so that a busy client does not slow it down. */
  readonly worker?: boolean | undefined;
  /** Milliseconds since the Unix epoch; default `Date.now`. Not with `worker`. `timeTravel` comes on top of it. */
  readonly clock?: (() => number) | undefined;
}

/** How the copies of vbuckets are moved. */
export interface RebalanceOptions {
  /** Number of new nodes. */
  readonly add?: number | undefined;
  /** Nodes that are to have no data afterwards, by their numbers. */
  readonly remove?: readonly number[] | undefined;
  /** Nodes that had been failed over or removed, and are to have data again. */
  readonly back?: readonly number[] | undefined;
  /**
   * Who answers in the middle of a hand-over. 'old first' (default): neither, for the old node has given up before the new one
   * begins and before the map says so. 'new first': both, for the new one has begun and the map says so before the old one gives up.
   */
  readonly order?: 'old first' | 'new first' | undefined;
  /** Milliseconds in the middle of each hand-over; default 0, which still lets other things happen. */
  readonly pause?: number | undefined;
}

/** A configuration instead of the true one, as text: it need not be JSON. */
export interface ForgedConfiguration {
  readonly text: string;
  /** The numbers beside pushed ones, and those that known versions are compared with; default: newer than all before. */
  readonly epoch?: bigint | undefined;
  readonly revision?: bigint | undefined;
  /** Only what this node says; default: all of them. */
  readonly node?: number | undefined;
}

/** A document as a test looks at it. */
export interface DocumentView {
  readonly value: Buffer;
  readonly flags: number;
  /** Seconds since the Unix epoch; 0: never. */
  readonly expiry: number;
  readonly cas: bigint;
  readonly seqno: bigint;
  readonly partition: number;
  /** JSON texts by their names. */
  readonly xattrs: Readonly<Record<string, string>>;
  readonly deletion: 'deleted' | 'expired' | undefined;
}

/** Where a document is: the default collection of the bucket that was named first, unless it says otherwise. */
export interface DocumentPlace {
  readonly bucket?: string | undefined;
  readonly scope?: string | undefined;
  readonly collection?: string | undefined;
  /** The copy of this node; default: the active one. */
  readonly node?: number | undefined;
}

export interface NodeAddress {
  readonly number: number;
  readonly host: string;
  readonly port: number;
  readonly securePort: number | undefined;
}
