import { crc32 } from 'node:zlib';
import { dateNow, delay, setImmediate } from '../../platform';
import { Conditions } from '../conditions';
import type { Credentials } from '../credentials';
import { FaultBook } from '../fault-book';
import type { FaultRule } from '../faults';
import { callsOf, type EndpointOperations } from '../operations';
import { Bucket } from './bucket';
import { ClusterClock } from './clock';
import { configurationText, type NodeEntry, type Version } from './configuration';
import type { EndReasonName } from './dcp/messages';
import type { Producer } from './dcp/producer';
import type { Cuts } from './dcp/stream';
import { nameOf } from './document';
import { ERROR_MAP } from './error-map';
import { ClusterNode, type NodeHost } from './node';
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
import { ClusterOpcode, Feature } from './protocol';
import { rebalance } from './rebalance';
import { SCRAM_MECHANISMS, Verifiers } from './scram';
import type { ToldConfiguration } from './session';

export const VERSION = '7.6.0-evenkeel';

const DEFAULT_VBUCKETS = 64;
const DEFAULT_BUCKET = 'default';
const DEFAULT_CREDENTIALS: Credentials = { username: 'Administrator', password: 'password' };
const CAPABILITIES = [
  'collections',
  'durableWrite',
  'tombstonedUserXAttrs',
  'subdoc.ReplaceBodyWithXattr',
  'subdoc.DocumentMacroSupport',
  'subdoc.ReviveDocument',
  'rangeScan',
  'dcp',
  'cbhello',
  'touch',
  'cccp',
  'nodesExt',
  'xattr',
];

const NO_BUCKETS: ReadonlyMap<string, Bucket> = new Map();

/** A cluster in this thread: its nodes, its buckets, and which configuration is told. */
export class LocalCluster implements NodeHost, ClusterOperations {
  readonly clock: ClusterClock;
  readonly serverVersion: string;
  readonly credentials: Credentials;
  readonly verifiers: Verifiers;
  readonly mechanisms: readonly string[];
  readonly features: ReadonlySet<number>;
  readonly errorMap: string;
  readonly faults = new FaultBook(ClusterOpcode);
  readonly buckets = new Map<string, Bucket>();
  readonly nodes: ClusterNode[] = [];
  cuts: Cuts = { snapshotItems: Number.POSITIVE_INFINITY, holdsItems: false };
  readonly #options: ClusterOptions;
  readonly #conditions = new Conditions();
  readonly #forged = new Map<number | undefined, ToldConfiguration>();
  /** Nodes that are no members any more, with what they knew last, by bucket. */
  readonly #expelled = new Map<number, ReadonlyMap<Bucket | undefined, ToldConfiguration>>();
  #members: number[] = [];
  #joining: number[] = [];
  #version: Version = { epoch: 1n, revision: 1n };

  private constructor(options: ClusterOptions) {
    this.#options = options;
    this.clock = new ClusterClock(options.clock ?? dateNow);
    this.serverVersion = options.version ?? VERSION;
    this.credentials = options.credentials ?? DEFAULT_CREDENTIALS;
    this.verifiers = new Verifiers(this.credentials);
    this.mechanisms = options.mechanisms ?? [...SCRAM_MECHANISMS, 'PLAIN'];
    this.errorMap = options.errorMap ?? ERROR_MAP;
    const withheld = new Set(options.withoutFeatures);
    this.features = new Set(Object.values(Feature).filter((feature) => !withheld.has(feature)));
  }

  static async start(options: ClusterOptions): Promise<LocalCluster> {
    const cluster = new LocalCluster(options);
    try {
      for (let node = 0; node < (options.nodes ?? 1); node += 1)
        cluster.#members.push((await cluster.#open()).number);
    } catch (error) {
      await cluster.close();
      throw error;
    }
    for (const bucket of options.buckets ?? [DEFAULT_BUCKET]) cluster.#add(bucket);
    return cluster;
  }

  async addresses(): Promise<NodeAddress[]> {
    return this.nodes.map(({ address }) => address);
  }

  async addFault(rule: FaultRule<string>): Promise<number> {
    return this.faults.add(rule);
  }

  async removeFault(id: number): Promise<void> {
    this.faults.remove(id);
  }

  async clearFaults(): Promise<void> {
    this.faults.clear();
  }

  async faultHits(id: number): Promise<number> {
    return this.faults.hits(id);
  }

  waitForFaultHits(id: number, hits: number): Promise<void> {
    return this.#conditions.until(() => this.faults.hits(id) >= hits);
  }

  async atNode(node: number, name: keyof EndpointOperations, args: unknown[]): Promise<unknown> {
    const call = callsOf<EndpointOperations>(this.#node(node));
    return call(name, ...(args as Parameters<EndpointOperations[typeof name]>));
  }

  handled(): void {
    this.#conditions.check();
  }

  async kill(node: number, reset: boolean): Promise<void> {
    await this.#node(node).stop({ reset });
  }

  /** Without `keepData` as after the death of the process: what had not been persisted is lost. */
  async respawn(node: number, keepData: boolean): Promise<void> {
    await this.#node(node).stop({});
    if (!keepData) for (const bucket of this.buckets.values()) bucket.crash(node);
    await this.#node(node).listen();
  }

  async hiccup(node: number, milliseconds: number): Promise<void> {
    await this.#node(node).pause();
    await delay(milliseconds);
    await this.#node(node).resume();
  }

  async failOver(node: number): Promise<void> {
    this.#expel([node]);
    for (const bucket of this.buckets.values()) {
      bucket.failOver(node);
      this.#node(node).disconnect(bucket);
    }
    this.#publish();
  }

  async rebalance(options: RebalanceOptions): Promise<NodeAddress[]> {
    const { add = 0, remove = [], back = [], order = 'old first', pause = 0 } = options;
    const coming = [...back];
    for (let node = 0; node < add; node += 1) coming.push((await this.#open()).number);
    for (const node of coming) this.#expelled.delete(node);
    this.#joining = coming;
    this.#publish();
    this.#members = [...this.#members, ...coming];
    this.#joining = [];
    const staying = this.#members.filter((node) => !remove.includes(node));
    for (const bucket of this.buckets.values())
      await rebalance(bucket, staying, {
        order,
        pause: () => (pause > 0 ? delay(pause) : new Promise((resolve) => setImmediate(resolve))),
        publish: () => this.#publish(bucket),
      });
    this.#expel(remove);
    this.#publish();
    return this.addresses();
  }

  async createBucket(options: BucketOptions): Promise<void> {
    this.#add(options);
    this.#publish();
  }

  async dropBucket(name: string): Promise<void> {
    const bucket = this.#bucket(name);
    this.buckets.delete(name);
    for (const node of this.nodes) node.disconnect(bucket);
    this.#publish();
  }

  async createCollection(
    bucket: string | undefined,
    scope: string,
    name: string,
    maxTtl: number,
  ): Promise<void> {
    const changed = this.#bucket(bucket);
    changed.tell(changed.manifest.create(scope, name, maxTtl));
    this.#publish(changed);
  }

  /** Without a name, the scope and all of its collections. */
  async drop(bucket: string | undefined, scope: string, name: string | undefined): Promise<void> {
    const changed = this.#bucket(bucket);
    changed.tell(changed.manifest.drop(scope, name));
    this.#publish(changed);
  }

  async flush(bucket: string | undefined): Promise<void> {
    this.#bucket(bucket).flush();
  }

  async timeTravel(milliseconds: number): Promise<void> {
    this.clock.travel(milliseconds);
    for (const bucket of this.buckets.values()) bucket.expire();
  }

  async hold(bucket: string | undefined, what: Held): Promise<void> {
    const held = this.#bucket(bucket);
    if (what === 'replication') held.holdReplication();
    else if (what === 'changes') this.#cut({ holdsItems: true });
    else if (what === 'manifest') held.holdManifest();
    else if (what === 'durability') held.syncWrites.held = true;
    else held.holdPersistence();
  }

  async release(bucket: string | undefined, what: Held, outcome: 'commit' | 'ambiguous'): Promise<void> {
    const held = this.#bucket(bucket);
    if (what === 'replication') held.replicate();
    else if (what === 'changes') this.#cut({ holdsItems: false });
    else if (what === 'manifest') held.spreadManifest();
    else if (what === 'durability') held.syncWrites.release(outcome);
    else held.persist();
  }

  async cutSnapshots(items: number): Promise<void> {
    this.#cut({ snapshotItems: items });
  }

  async endStreams(reason: EndReasonName, partition: number | undefined): Promise<void> {
    for (const producer of this.#producers())
      producer.end(reason, (form) => partition === undefined || form.partition === partition);
  }

  async sendNoops(): Promise<void> {
    for (const producer of this.#producers()) producer.sendNoop();
  }

  async answeredNoops(): Promise<number> {
    return [...this.#producers()].reduce((sum, { answeredNoops }) => sum + answeredNoops, 0);
  }

  async purge(bucket: string | undefined): Promise<void> {
    this.#bucket(bucket).purge();
  }

  async forge({ text, epoch, revision, node }: ForgedConfiguration): Promise<void> {
    const { epoch: now } = this.#version;
    this.#version = { epoch: epoch ?? now, revision: revision ?? this.#version.revision + 1n };
    this.#forged.set(node, { text, version: this.#version });
    this.#push();
  }

  async tellTruth(): Promise<void> {
    this.#forged.clear();
    this.#publish();
  }

  /** The next configuration will have these numbers, whatever those before. */
  async setVersion(epoch: bigint, revision: bigint): Promise<void> {
    this.#version = { epoch, revision };
    this.#push();
  }

  async configuration(node: number, bucket: string | undefined): Promise<string> {
    return this.configurationOf(node, bucket === undefined ? undefined : this.#bucket(bucket)).text;
  }

  async document(key: Uint8Array, place: DocumentPlace): Promise<DocumentView | undefined> {
    const bucket = this.#bucket(place.bucket);
    const path = `${place.scope ?? ''}.${place.collection ?? ''}`;
    const collection = bucket.manifest.collectionAt(path);
    if (typeof collection === 'string') throw new Error(`There is no collection ${path}`);
    const partition = partitionOf(key, bucket.settings.vbuckets);
    const node = place.node ?? bucket.map[partition]?.[0] ?? -1;
    const name = nameOf(collection.id, Buffer.from(key));
    const document = bucket.copy(node, partition)?.vbucket.version(name);
    if (document === undefined) return undefined;
    const { value, flags, expiry, cas, seqno, deletion, xattrs } = document;
    return { value, flags, expiry, cas, seqno, deletion, partition, xattrs: Object.fromEntries(xattrs) };
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
    this.#conditions.abandon(new Error('The cluster was closed before this happened'));
  }

  configurationOf(node: number, bucket: Bucket | undefined): ToldConfiguration {
    const told =
      this.#forged.get(node) ?? this.#expelled.get(node)?.get(bucket) ?? this.#forged.get(undefined);
    if (told !== undefined) return told;
    const version = this.#version;
    const members = this.#members.map((member) => this.#entry(member));
    const joining = this.#joining.map((member) => this.#entry(member));
    return { version, text: configurationText({ version, bucket, members, joining, asked: node }) };
  }

  bucketsOf(node: number): ReadonlyMap<string, Bucket> {
    return this.#expelled.has(node) ? NO_BUCKETS : this.buckets;
  }

  /** From here on they have no buckets and hear of nothing new. */
  #expel(nodes: readonly number[]): void {
    for (const node of nodes) {
      const buckets = [undefined, ...this.buckets.values()];
      this.#expelled.set(node, new Map(buckets.map((each) => [each, this.configurationOf(node, each)])));
    }
    this.#members = this.#members.filter((node) => !nodes.includes(node));
  }

  *#producers(): Generator<Producer> {
    for (const node of this.nodes) yield* node.producers();
  }

  #cut(changed: Partial<Cuts>): void {
    this.cuts = { ...this.cuts, ...changed };
    for (const producer of this.#producers()) producer.pump();
  }

  #entry(number: number): NodeEntry {
    const { hostnames, alternateAddresses = {}, serverGroups } = this.#options;
    const { port, securePort } = this.#node(number).address;
    const alternates: Record<string, string> = {};
    for (const [network, names] of Object.entries(alternateAddresses)) {
      const name = names[number];
      if (name !== undefined) alternates[network] = name;
    }
    const hostname = hostnames?.[number];
    return { number, port, securePort, hostname, alternates, serverGroup: serverGroups?.[number] };
  }

  #add(given: string | BucketOptions): void {
    const options = typeof given === 'string' ? { name: given } : given;
    const shared = this.#options;
    const fitting = Math.min(1, this.#members.length - 1);
    const settings = {
      name: options.name,
      replicas: options.replicas ?? shared.replicas ?? fitting,
      vbuckets: options.vbuckets ?? shared.vbuckets ?? DEFAULT_VBUCKETS,
      capabilities: options.capabilities ?? CAPABILITIES,
      maxTtl: options.maxTtl ?? 0,
    };
    const bucket = new Bucket(settings, this.clock, this.#members);
    for (const [scope, names] of Object.entries(options.collections ?? shared.collections ?? {}))
      for (const name of names) bucket.tell(bucket.manifest.create(scope, name, 0));
    this.buckets.set(options.name, bucket);
  }

  async #open(): Promise<ClusterNode> {
    const { host = '127.0.0.1', tls, record = false } = this.#options;
    const node = await ClusterNode.open(this.nodes.length, this, { host, tls, record });
    this.nodes.push(node);
    return node;
  }

  /** There is a newer configuration, of the bucket or of all. */
  #publish(bucket?: Bucket): void {
    this.#version = { ...this.#version, revision: this.#version.revision + 1n };
    this.#push(bucket);
  }

  #push(bucket?: Bucket): void {
    for (const node of this.nodes) {
      if (this.#expelled.has(node.number)) continue;
      for (const each of bucket === undefined ? this.buckets.values() : [bucket]) node.push(each);
      node.push(undefined);
    }
  }

  #node(number: number): ClusterNode {
    const node = this.nodes[number];
    if (node === undefined) throw new Error(`There is no node ${number}`);
    return node;
  }

  #bucket(name: string | undefined): Bucket {
    const bucket = name === undefined ? this.buckets.values().next().value : this.buckets.get(name);
    if (bucket === undefined) throw new Error(`There is no bucket ${name}`);
    return bucket;
  }
}

/** The vbucket of a key, without its collection. */
export function partitionOf(key: Uint8Array, vbuckets: number): number {
  return ((crc32(key) >>> 16) & 0x7fff) % vbuckets;
}
