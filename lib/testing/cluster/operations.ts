import type { FaultRule } from '../faults';
import type { EndpointOperations } from '../operations';
import type { EndReasonName } from './dcp/messages';
import type {
  BucketOptions,
  DocumentPlace,
  DocumentView,
  ForgedConfiguration,
  NodeAddress,
  RebalanceOptions,
} from './options';

/** What `hold` can hold back. */
export type Held = 'replication' | 'persistence' | 'durability' | 'changes' | 'manifest';

/** What a cluster can be told, from its own thread or another one: arguments and results survive structured clone. */
export interface ClusterOperations {
  addresses(): Promise<NodeAddress[]>;
  addFault(rule: FaultRule<string>): Promise<number>;
  removeFault(id: number): Promise<void>;
  clearFaults(): Promise<void>;
  faultHits(id: number): Promise<number>;
  waitForFaultHits(id: number, hits: number): Promise<void>;
  /** One of the operations of a node's endpoint. */
  atNode(node: number, name: keyof EndpointOperations, args: unknown[]): Promise<unknown>;
  kill(node: number, reset: boolean): Promise<void>;
  respawn(node: number, keepData: boolean): Promise<void>;
  hiccup(node: number, milliseconds: number): Promise<void>;
  failOver(node: number): Promise<void>;
  rebalance(options: RebalanceOptions): Promise<NodeAddress[]>;
  createBucket(options: BucketOptions): Promise<void>;
  dropBucket(name: string): Promise<void>;
  createCollection(bucket: string | undefined, scope: string, name: string, maxTtl: number): Promise<void>;
  drop(bucket: string | undefined, scope: string, name: string | undefined): Promise<void>;
  flush(bucket: string | undefined): Promise<void>;
  timeTravel(milliseconds: number): Promise<void>;
  hold(bucket: string | undefined, what: Held): Promise<void>;
  release(bucket: string | undefined, what: Held, outcome: 'commit' | 'ambiguous'): Promise<void>;
  forge(configuration: ForgedConfiguration): Promise<void>;
  tellTruth(): Promise<void>;
  setVersion(epoch: bigint, revision: bigint): Promise<void>;
  configuration(node: number, bucket: string | undefined): Promise<string>;
  document(key: Uint8Array, place: DocumentPlace): Promise<DocumentView | undefined>;
  cutSnapshots(items: number): Promise<void>;
  endStreams(reason: EndReasonName, partition: number | undefined): Promise<void>;
  sendNoops(): Promise<void>;
  answeredNoops(): Promise<number>;
  purge(bucket: string | undefined): Promise<void>;
  close(): Promise<void>;
}
