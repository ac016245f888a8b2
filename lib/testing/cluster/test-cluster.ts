import { join } from 'node:path';
import { checkCount } from '../checks';
import { checkFault } from '../fault-check';
import type { RequestFault } from '../faults';
import { type Call, callsOf } from '../operations';
import { Remote } from '../remote';
import { FaultHandle } from '../test-endpoint';
import { checkClusterOptions } from './checks';
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

/** Which bucket; default: the one that was named first. */
export interface OfBucket {
  readonly bucket?: string | undefined;
}

/** A rebalance by the handles of nodes. */
export interface TestRebalance extends Omit<RebalanceOptions, 'remove' | 'back'> {
  readonly remove?: readonly TestNode[] | undefined;
  readonly back?: readonly TestNode[] | undefined;
}

/**
 * A double of a Couchbase cluster, for tests: the key-value protocol of its nodes with documents, collections, sub-documents,
 * durability and change streams, configurations that change, and faults that can be scripted. It is no Couchbase: it has
 * been written from the protocol's documents and knows what clients use, there are no queries and no management interface,
 * and nothing is ever on a disk. The same type stands for a cluster in this thread and in a worker.
 */
export class TestCluster implements AsyncDisposable {
  /** `couchbase://` with the nodes that there were at first; the bucket named first is its path. */
  readonly url: string;
  /** By their numbers; `rebalance` adds to them. Those that have been removed stay. */
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

  /** A fault of requests on whichever node; `times` counts those of all. Faults of a node's own strike before it. */
  async fault(rule: RequestFault<ClusterOpcodeName>): Promise<FaultHandle> {
    checkFault(rule, ClusterOpcode);
    return new FaultHandle(await this.#call('addFault', rule), this.#call);
  }

  clearFaults(): Promise<void> {
    return this.#call('clearFaults');
  }

  /** The node is no member any more; its replicas become active on a new branch of the history, with what they have. */
  failover(node: TestNode): Promise<void> {
    return this.#call('failOver', node.number);
  }

  /** Moves the vbuckets, one after the other; each is a new configuration. Resolves when all is done. */
  async rebalance({ remove = [], back = [], ...options }: TestRebalance): Promise<void> {
    const numbersOf = (nodes: readonly TestNode[]): number[] => nodes.map(({ number }) => number);
    this.#know(
      await this.#call('rebalance', { ...options, remove: numbersOf(remove), back: numbersOf(back) }),
    );
  }

  createBucket(options: BucketOptions): Promise<void> {
    return this.#call('createBucket', options);
  }

  /** Makes the scope as well, where there is none. `maxTtl`: seconds, 0: no limit. */
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

  /** Moves the clock of the cluster; what expires thereby is deleted at once. Locks end by it as well. */
  timeTravel(seconds: number): Promise<void> {
    return this.#call('timeTravel', seconds * 1000);
  }

  /**
   * 'replication': replicas take nothing more. 'persistence': nothing more survives the death of a node. 'durability': durable
   * writes stay undecided and unanswered. 'changes': change streams send the markers of snapshots, and nothing of what is in them.
   */
  hold(what: Held, { bucket }: OfBucket = {}): Promise<void> {
    return this.#call('hold', bucket, what);
  }

  /** `outcome` is that of durable writes: whether they are executed, or are answered with SyncWriteAmbiguous. */
  release(
    what: Held,
    { bucket, outcome = 'commit' }: OfBucket & { readonly outcome?: 'commit' | 'ambiguous' | undefined } = {},
  ): Promise<void> {
    return this.#call('release', bucket, what, outcome);
  }

  /** Snapshots of change streams that go on have at most so many changes; at first there is no limit. */
  async cutSnapshots(items: number): Promise<void> {
    checkCount('items', items);
    return this.#call('cutSnapshots', items);
  }

  /** Ends the change streams that there are, of one partition or of all, with this reason. */
  endStreams(
    reason: EndReasonName,
    { partition }: { readonly partition?: number | undefined } = {},
  ): Promise<void> {
    return this.#call('endStreams', reason, partition);
  }

  /** Sends a no-op to whoever has change streams open. */
  sendNoops(): Promise<void> {
    return this.#call('sendNoops');
  }

  /** How many no-ops have been answered on the connections that are open. */
  answeredNoops(): Promise<number> {
    return this.#call('answeredNoops');
  }

  /** Forgets the deleted documents, as a server does days later: streams that have not seen their deletion begin anew. */
  purge({ bucket }: OfBucket = {}): Promise<void> {
    return this.#call('purge', bucket);
  }

  /** Tells this text instead of configurations, and pushes it, until `tellTruth`. */
  forge(configuration: ForgedConfiguration): Promise<void> {
    return this.#call('forge', configuration);
  }

  tellTruth(): Promise<void> {
    return this.#call('tellTruth');
  }

  /** Gives the configuration these numbers, be they older, and pushes it. */
  setVersion(epoch: bigint, revision: bigint): Promise<void> {
    return this.#call('setVersion', epoch, revision);
  }

  /** What a node tells now, of a bucket or, without one, of the cluster. */
  configuration(bucket?: string, node = 0): Promise<string> {
    return this.#call('configuration', node, bucket);
  }

  /** A copy of a document as it is stored, also a deleted one; undefined where there has never been one. */
  async document(key: string | Uint8Array, place: DocumentPlace = {}): Promise<DocumentView | undefined> {
    const view = await this.#call('document', Buffer.from(key), place);
    return view && { ...view, value: Buffer.from(view.value) };
  }

  /** Ends all nodes for good; may be called twice. */
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

/** Starts a cluster. Rejects with InvalidArgumentError for a bad option, otherwise with what node:tls or a listening socket says. */
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
