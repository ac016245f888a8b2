import { randomBytes } from 'node:crypto';
import type { ClusterClock } from './clock';
import { type Document, type Draft, deletionOf } from './document';
import { evenLayout, type Layout, withoutNode } from './layout';
import type { Stamp } from './macros';
import { Manifest, type SystemEvent } from './manifest';
import type { RangeScan } from './range-scan';
import { SyncWrites } from './sync-writes';
import { type Change, VBucket } from './vbucket';

export interface BucketSettings {
  readonly name: string;
  readonly replicas: number;
  readonly vbuckets: number;
  readonly capabilities: readonly string[];
  /** Longest life of its documents in seconds; 0: no limit. */
  readonly maxTtl: number;
}

/** During a hand-over the copy on the new node is pending; afterwards the copy on the old node is dead. */
export type CopyState = 'active' | 'replica' | 'pending' | 'dead';

interface Copy {
  vbucket: VBucket;
  state: CopyState;
}

/** A bucket: all copies of its vbuckets, the nodes they are on, and the map that clients see. */
export class Bucket {
  readonly settings: BucketSettings;
  readonly clock: ClusterClock;
  readonly uuid = randomBytes(16).toString('hex');
  readonly manifest = new Manifest();
  readonly syncWrites = new SyncWrites();
  /** Open range scans by uuid. */
  readonly scans = new Map<string, RangeScan>();
  /** The map that clients see; `forward` is the target map during a rebalance. */
  map: Layout;
  forward: Layout | undefined;
  /** The copies of each vbucket by node number. */
  readonly #copies: Map<number, Copy>[] = [];
  readonly #retirements = new Set<(node: number, id: number) => void>();
  #replicationHeld = false;
  /** What nodes other than the first know while changes of the manifest are held back. */
  #oldManifest: Manifest | undefined;

  constructor(settings: BucketSettings, clock: ClusterClock, nodes: readonly number[]) {
    this.settings = settings;
    this.clock = clock;
    this.map = evenLayout(settings.vbuckets, settings.replicas, nodes);
    for (const [id, row] of this.map.entries()) {
      const copies = new Map<number, Copy>();
      this.#copies.push(copies);
      const active = new VBucket(id);
      for (const [index, node] of row.entries()) {
        if (node === -1) continue;
        const vbucket = index === 0 ? active : copyOf(active);
        copies.set(node, { vbucket, state: index === 0 ? 'active' : 'replica' });
      }
    }
  }

  copy(node: number, id: number): Readonly<Copy> | undefined {
    return this.#copies[id]?.get(node);
  }

  /** All copies on a node. */
  *copiesOn(node: number): Generator<Readonly<Copy>> {
    for (const copies of this.#copies) {
      const copy = copies.get(node);
      if (copy !== undefined) yield copy;
    }
  }

  /** The active copies of all vbuckets. */
  *actives(): Generator<VBucket> {
    for (const copies of this.#copies)
      for (const { vbucket, state } of copies.values()) {
        if (state !== 'active') continue;
        yield vbucket;
        break;
      }
  }

  /** The number of copies that can take a write, the active copy included. */
  copiesAlive(id: number): number {
    return [...(this.#copies[id]?.values() ?? [])].filter(({ state }) => state !== 'dead').length;
  }

  /** The CAS and seqno of the next write to a vbucket. */
  stamp(vbucket: VBucket): Stamp {
    return { cas: this.clock.nextCas(), seqno: vbucket.high + 1n };
  }

  /** Writes a document to the active copy, and to the replicas unless replication is held. */
  write(vbucket: VBucket, draft: Draft, { cas, seqno } = this.stamp(vbucket)): Document {
    const before = vbucket.version(draft.name);
    const { name, collection, key, value, xattrs, flags, expiry, deletion } = draft;
    // Written out: spreading the draft costs a multiple of it.
    const document: Document = {
      name,
      collection,
      key,
      value,
      xattrs,
      flags,
      expiry,
      deletion,
      deletedAt: deletion === undefined ? 0 : this.clock.seconds,
      cas,
      seqno,
      revision: (before?.revision ?? 0n) + 1n,
    };
    this.#commit(vbucket, { kind: 'document', seqno: document.seqno, document });
    return document;
  }

  /** The document, or undefined. An expired document is deleted first. */
  find(vbucket: VBucket, name: string): Document | undefined {
    const document = vbucket.version(name);
    if (document === undefined || document.deletion !== undefined) return undefined;
    if (document.expiry === 0 || document.expiry > this.clock.seconds) return document;
    if (this.#isActive(vbucket)) this.#expire(vbucket, document);
    return undefined;
  }

  /** Deletes all expired documents. */
  expire(): void {
    const now = this.clock.seconds;
    for (const vbucket of this.actives())
      for (const document of [...vbucket.documents()])
        if (document.deletion === undefined && document.expiry !== 0 && document.expiry <= now)
          this.#expire(vbucket, document);
  }

  /** As the node knows it. */
  manifestOf(node: number): Manifest {
    return node === 0 ? this.manifest : (this.#oldManifest ?? this.manifest);
  }

  /** Holds changes of the manifest back until `spreadManifest`. */
  holdManifest(): void {
    this.#oldManifest ??= this.manifest.copy();
  }

  spreadManifest(): void {
    this.#oldManifest = undefined;
  }

  /** Adds changes of the manifest to the history of every vbucket. */
  tell(events: readonly SystemEvent[]): void {
    for (const event of events)
      for (const vbucket of this.actives())
        this.#commit(vbucket, { kind: 'system', seqno: vbucket.high + 1n, event });
  }

  /** Deletes all documents. */
  flush(): void {
    for (const vbucket of this.actives())
      for (const document of [...vbucket.documents()])
        if (document.deletion === undefined) this.write(vbucket, deletionOf(document, 'deleted'));
  }

  /** Holds persistence back until `persist`. */
  holdPersistence(): void {
    for (const copies of this.#copies) for (const { vbucket } of copies.values()) vbucket.holdPersistence();
  }

  persist(): void {
    for (const copies of this.#copies) for (const { vbucket } of copies.values()) vbucket.persist();
  }

  /** The process of a node has died and is back. Active copies lose what was not persisted, and replicas follow them. */
  crash(node: number): void {
    for (const copies of this.#copies) {
      const copy = copies.get(node);
      if (copy?.state === 'active') copy.vbucket.crash();
      const active = activeOf(copies);
      if (copy === undefined || active === undefined || this.#replicationHeld) continue;
      for (const { vbucket, state } of copies.values()) if (state === 'replica') vbucket.copyFrom(active);
    }
  }

  /** Holds replication back until `replicate`. */
  holdReplication(): void {
    this.#replicationHeld = true;
  }

  replicate(): void {
    this.#replicationHeld = false;
    for (const copies of this.#copies) {
      const active = activeOf(copies);
      if (active === undefined) continue;
      for (const { vbucket, state } of copies.values())
        if (state === 'replica')
          for (const change of active.changesAfter(vbucket.high)) vbucket.apply(change);
    }
  }

  /** Removes all copies from the node. The first remaining replica of each of its active vbuckets becomes active, with a new uuid. */
  failOver(node: number): void {
    this.map = this.map.map((row, id) => {
      const copies = this.#copies[id];
      if (copies === undefined || !row.includes(node)) return row;
      copies.delete(node);
      this.#tellRetired(node, id);
      const next = withoutNode(row, node);
      const [active = -1] = next;
      const successor = copies.get(active);
      if (row[0] === node && successor !== undefined) {
        successor.state = 'active';
        successor.vbucket.branch();
      }
      return next;
    });
  }

  /** Creates the copies that the row needs and that do not exist yet. */
  prepare(id: number, row: readonly number[]): void {
    const copies = this.#copies[id];
    if (copies === undefined) return;
    // A vbucket that has lost all of its copies starts again empty.
    const active = activeOf(copies) ?? new VBucket(id);
    for (const [index, node] of row.entries())
      if (node !== -1 && !copies.has(node))
        copies.set(node, { vbucket: copyOf(active), state: index === 0 ? 'pending' : 'replica' });
  }

  /** Makes the prepared copy active if there is no other active copy. */
  begin(id: number, node: number): void {
    const copy = this.#copies[id]?.get(node);
    if (copy !== undefined) copy.state = 'active';
  }

  /** Makes the node serve the vbucket in addition to the current active node. */
  activate(id: number, node: number): void {
    const copies = this.#copies[id];
    const active = copies && activeOf(copies);
    const copy = copies?.get(node);
    if (active === undefined || copy === undefined) return;
    // Both nodes share one object, so each sees what the other has written.
    copy.vbucket = active;
    copy.state = 'active';
  }

  /** Calls the listener when a node stops serving a vbucket. Returns a function that removes it. */
  onRetired(listener: (node: number, id: number) => void): () => void {
    this.#retirements.add(listener);
    return () => this.#retirements.delete(listener);
  }

  /** Removes all tombstones. */
  purge(): void {
    for (const copies of this.#copies) for (const { vbucket } of copies.values()) vbucket.purge();
  }

  /** The node stops serving the vbucket. */
  retire(id: number, node: number): void {
    const copy = this.#copies[id]?.get(node);
    if (copy !== undefined) copy.state = 'dead';
    this.#tellRetired(node, id);
  }

  /** `to` starts to serve the vbucket with the data of `from`, which has been retired. */
  takeOver(id: number, from: number, to: number): void {
    const old = this.#copies[id]?.get(from);
    const copy = this.#copies[id]?.get(to);
    if (old === undefined || copy === undefined) return;
    copy.vbucket = old.vbucket;
    copy.state = 'active';
  }

  /** Changes the map that clients see. */
  announce(id: number, row: readonly number[]): void {
    this.map = this.map.map((each, index) => (index === id ? row : each));
  }

  /** Drops the copies that the row does not contain. All others except the first become replicas. */
  settle(id: number, row: readonly number[]): void {
    const copies = this.#copies[id];
    if (copies === undefined) return;
    const active = copies.get(row[0] ?? -1);
    for (const [node, copy] of copies) {
      if (!row.includes(node)) copies.delete(node);
      else if (copy !== active) {
        copy.state = 'replica';
        if (active !== undefined) copy.vbucket = copyOf(active.vbucket);
      }
    }
  }

  #tellRetired(node: number, id: number): void {
    for (const listener of [...this.#retirements]) listener(node, id);
  }

  #commit(vbucket: VBucket, change: Change): void {
    const copies = this.#copies[vbucket.id];
    vbucket.apply(change);
    if (copies === undefined || this.#replicationHeld) return;
    for (const { vbucket: other, state } of copies.values())
      if (other !== vbucket && state !== 'dead') other.apply(change);
  }

  #expire(vbucket: VBucket, document: Document): void {
    this.write(vbucket, deletionOf(document, 'expired'));
  }

  #isActive(vbucket: VBucket): boolean {
    const copies = this.#copies[vbucket.id];
    return copies !== undefined && activeOf(copies) === vbucket;
  }
}

function copyOf(active: VBucket): VBucket {
  const copy = new VBucket(active.id);
  copy.copyFrom(active);
  return copy;
}

function activeOf(copies: ReadonlyMap<number, Readonly<Copy>>): VBucket | undefined {
  for (const { vbucket, state } of copies.values()) if (state === 'active') return vbucket;
  return undefined;
}
