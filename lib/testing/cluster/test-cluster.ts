import { join } from 'node:path';
import { checkCount } from '../checks';
import { checkFault } from '../fault-check';
import type { RequestFault } from '../faults';
import { type Call, callsOf } from '../operations';
import { Remote } from '../remote';
import { FaultHandle } from '../test-endpoint';
import { checkBucket, checkClusterOptions, checkForged, checkRebalance } from './checks';
import { LocalCluster } from './cluster';
import type { EndReasonName } from './dcp/messages';
import type { ClusterOperations, Held } from './operations';
import type {
  BucketOptions,
  ClusterOptions,
  DocumentPlace,
  DocumentView,
  ForgedConfiguration,
  NodeAddress,
  RebalanceOptions,
} from './options';
import { ClusterOpcode, type ClusterOpcodeName } from './protocol';
import { TestNode } from './test-node';

/** Names a bucket; default: the first one. */
export interface OfBucket {
  readonly bucket?: string | undefined;
}

/** Options of `rebalance`, with nodes instead of their numbers. */
export interface TestRebalance extends Omit<RebalanceOptions, 'remove' | 'back'> {
  readonly remove?: readonly TestNode[] | undefined;
  readonly back?: readonly TestNode[] | undefined;
}

/**
 * A double of a Couchbase cluster for tests. Its nodes speak the key-value protocol: documents, collections, sub-documents,
 * durability, range scans and change streams. Configurations change as a test says, and faults can be scripted. It is not a
 * Couchbase server: it was written from the protocol's documents and implements what clients use. It has no query services and no
 * management interface, and it stores nothing on disk. The class is the same for a cluster in this thread and in a worker.
 */
export class TestCluster implements AsyncDisposable {
  /** `couchbase://` (`couchbases://` with TLS) with the first nodes; the path is the first bucket. */
  readonly url: string;
  /** All nodes by number. `rebalance` appends new ones; removed nodes stay in the list. */
  readonly nodes: TestNode[] = [];
  readonly #call: Call<ClusterOperations>;
  readonly #close: () => Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(
    nodes: readonly NodeAddress[],
    bucket: string,
    call: Call<ClusterOperations>,
    close: () => Promise<void>,
  ) {
    this.#call = call;
    this.#close = close;
    this.#know(nodes);
    const isSecure = nodes.every(({ securePort }) => securePort !== undefined);
    const hosts = nodes.map(({ host, port, securePort }) => {
      const name = host.includes(':') ? `[${host}]` : host;
      return `${name}:${isSecure ? securePort : port}`;
    });
    this.url = `${isSecure ? 'couchbases' : 'couchbase'}://${hosts.join(',')}/${bucket}`;
  }

  /** Sets a request fault on all nodes; `times` counts the requests of all of them. Faults of a single node take precedence. */
  async fault(rule: RequestFault<ClusterOpcodeName>): Promise<FaultHandle> {
    checkFault(rule, ClusterOpcode);
    return new FaultHandle(await this.#call('addFault', rule), this.#call);
  }

  clearFaults(): Promise<void> {
    return this.#call('clearFaults');
  }

  /**
   * Removes a node from the cluster. Replicas of its vbuckets become active with what they have, under a new vbucket uuid. The
   * node ends the connections that have selected a bucket, has no buckets, and keeps the configuration from before.
   */
  failover(node: TestNode): Promise<void> {
    return this.#call('failOver', node.number);
  }

  /**
   * Moves vbuckets one at a time and publishes a configuration after each. Resolves when all have moved. Nodes that are removed
   * have no buckets afterwards and keep the last configuration that they were a part of; their connections stay open.
   */
  async rebalance(given: TestRebalance): Promise<void> {
    checkRebalance(given);
    const { remove = [], back = [], ...options } = given;
    const numbersOf = (nodes: readonly TestNode[]): number[] => nodes.map(({ number }) => number);
    this.#know(
      await this.#call('rebalance', { ...options, remove: numbersOf(remove), back: numbersOf(back) }),
    );
  }

  async createBucket(options: BucketOptions): Promise<void> {
    checkBucket('options', options);
    return this.#call('createBucket', options);
  }

  /** Drops a bucket and ends the connections that have selected it. */
  dropBucket(name: string): Promise<void> {
    return this.#call('dropBucket', name);
  }

  /** Creates a collection, and its scope if there is none. `maxTtl`: seconds; 0: no limit. */
  createCollection(
    scope: string,
    name: string,
    { bucket, maxTtl = 0 }: OfBucket & { readonly maxTtl?: number | undefined } = {},
  ): Promise<void> {
    return this.#call('createCollection', bucket, scope, name, maxTtl);
  }

  dropCollection(scope: string, name: string, { bucket }: OfBucket = {}): Promise<void> {
    return this.#call('drop', bucket, scope, name);
  }

  dropScope(scope: string, { bucket }: OfBucket = {}): Promise<void> {
    return this.#call('drop', bucket, scope, undefined);
  }

  /** Deletes all documents of a bucket. */
  flush({ bucket }: OfBucket = {}): Promise<void> {
    return this.#call('flush', bucket);
  }

  /** Moves the cluster's clock forward. Documents that expire are deleted at once; locks end too. */
  timeTravel(seconds: number): Promise<void> {
    return this.#call('timeTravel', seconds * 1000);
  }

  /**
   * Holds something back until `release`. 'replication': replicas receive no writes. 'persistence': writes do not survive
   * `respawn`. 'durability': durable writes stay pending; those with a timeout are answered with SyncWriteAmbiguous after it.
   * 'changes': change streams send snapshot markers without the changes in the snapshots. 'manifest': nodes other than the first
   * do not learn of collections that are created or dropped.
   */
  hold(what: Held, { bucket }: OfBucket = {}): Promise<void> {
    return this.#call('hold', bucket, what);
  }

  /** Ends `hold`. `outcome` decides about pending durable writes: executed, or answered with SyncWriteAmbiguous. */
  release(
    what: Held,
    { bucket, outcome = 'commit' }: OfBucket & { readonly outcome?: 'commit' | 'ambiguous' | undefined } = {},
  ): Promise<void> {
    return this.#call('release', bucket, what, outcome);
  }

  /** Limits the changes in each in-memory snapshot of change streams; initially there is no limit. */
  async cutSnapshots(items: number): Promise<void> {
    checkCount('items', items);
    return this.#call('cutSnapshots', items);
  }

  /** Ends the open change streams, of one partition or of all, with the given reason. */
  endStreams(
    reason: EndReasonName,
    { partition }: { readonly partition?: number | undefined } = {},
  ): Promise<void> {
    return this.#call('endStreams', reason, partition);
  }

  /** Sends a NOOP on each connection that has opened a change stream producer. */
  sendNoops(): Promise<void> {
    return this.#call('sendNoops');
  }

  /** Number of NOOPs answered on open connections. */
  answeredNoops(): Promise<number> {
    return this.#call('answeredNoops');
  }

  /** Purges tombstones, as a server does after days. Streams that resume from before them have to roll back to 0. */
  purge({ bucket }: OfBucket = {}): Promise<void> {
    return this.#call('purge', bucket);
  }

  /** Sends and pushes a text instead of configurations, until `tellTruth`. */
  async forge(configuration: ForgedConfiguration): Promise<void> {
    checkForged(configuration);
    return this.#call('forge', configuration);
  }

  tellTruth(): Promise<void> {
    return this.#call('tellTruth');
  }

  /** Sets the version of the configuration, which may be older than before, and pushes it. */
  setVersion(epoch: bigint, revision: bigint): Promise<void> {
    return this.#call('setVersion', epoch, revision);
  }

  /** The configuration that a node sends now, of a bucket or, without one, of the cluster. */
  configuration(bucket?: string, node = 0): Promise<string> {
    return this.#call('configuration', node, bucket);
  }

  /** A stored copy of a document, which may be a tombstone; undefined if the key has never been written. */
  async document(key: string | Uint8Array, place: DocumentPlace = {}): Promise<DocumentView | undefined> {
    const view = await this.#call('document', Buffer.from(key), place);
    return view && { ...view, value: Buffer.from(view.value) };
  }

  /** Stops all nodes for good; may be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #know(addresses: readonly NodeAddress[]): void {
    for (const address of addresses.slice(this.nodes.length))
      this.nodes.push(new TestNode(address, this.#call));
  }
}

/** Starts a cluster. Rejects with InvalidArgumentError for a bad option, or with the error of node:tls or of the listening socket. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  checkClusterOptions(options);
  const [first = 'default'] = options.buckets ?? [];
  const bucket = typeof first === 'string' ? first : first.name;
  if (options.worker) {
    const entry = join(__dirname, 'worker.js');
    const { remote, started } = await Remote.start<ClusterOperations, NodeAddress[]>(entry, options);
    return new TestCluster(started, bucket, remote.call, () => remote.close());
  }
  const cluster = await LocalCluster.start(options);
  const call = callsOf<ClusterOperations>(cluster);
  return new TestCluster(await cluster.addresses(), bucket, call, () => cluster.close());
}
