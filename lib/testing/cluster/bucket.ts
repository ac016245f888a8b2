import { randomBytes } from 'node:crypto';
import type { ClusterClock } from './clock';
import { type Document, type Draft, deletionOf, nameOf } from './document';
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

/** A copy of which the hand-over has begun is pending on the new node and, once it is over, dead on the old one. */
export type CopyState = 'active' | 'replica' | 'pending' | 'dead';

interface Copy {
  vbucket: VBucket;
  state: CopyState;
}

/** The documents of a bucket: all copies of all vbuckets, which node has which, and the map that clients are told. */
export class Bucket {
  readonly settings: BucketSettings;
  readonly clock: ClusterClock;
  readonly uuid = randomBytes(16).toString('hex');
  readonly manifest = new Manifest();
  readonly syncWrites = new SyncWrites();
  /** Those that have begun, by their uuids. */
  readonly scans = new Map<string, RangeScan>();
  /** What clients are told, and where everything goes to while it is moved. */
  map: Layout;
  forward: Layout | undefined;
  /** Of each vbucket the copies by the number of their node. */
  readonly #copies: Map<number, Copy>[] = [];
  readonly #retirements = new Set<(node: number, id: number) => void>();
  #replicationHeld = false;

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

  /** The vbuckets of a node by their state. */
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

  /** Copies of a vbucket that could take a write, its active one included. */
  copiesAlive(id: number): number {
    return [...(this.#copies[id]?.values() ?? [])].filter(({ state }) => state !== 'dead').length;
  }

  /** What the next version of a vbucket will be known by. */
  stamp(vbucket: VBucket): Stamp {
    return { cas: this.clock.nextCas(), seqno: vbucket.high + 1n };
  }

  /** Writes a new version to the active copy, and to the replicas unless they are held. */
  write(vbucket: VBucket, draft: Draft, { cas, seqno } = this.stamp(vbucket)): Document {
    const before = vbucket.version(nameOf(draft.collection, draft.key));
    const document: Document = {
      ...draft,
      deletion: draft.deletion,
      deletedAt: draft.deletion === undefined ? 0 : this.clock.seconds,
      cas,
      seqno,
      revision: (before?.revision ?? 0n) + 1n,
    };
    this.#commit(vbucket, { kind: 'document', seqno: document.seqno, document });
    return document;
  }

  /** The document, unless there is none; one whose time is over is deleted now. */
  find(vbucket: VBucket, name: string): Document | undefined {
    const document = vbucket.version(name);
    if (document === undefined || document.deletion !== undefined) return undefined;
    if (document.expiry === 0 || document.expiry > this.clock.seconds) return document;
    if (this.#isActive(vbucket)) this.#expire(vbucket, document);
    return undefined;
  }

  /** Deletes everything whose time is over. */
  expire(): void {
    const now = this.clock.seconds;
    for (const vbucket of this.actives())
      for (const document of [...vbucket.documents()])
        if (document.deletion === undefined && document.expiry !== 0 && document.expiry <= now)
          this.#expire(vbucket, document);
  }

  /** Puts changes of the manifest into the history of every vbucket. */
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

  /** Nothing more reaches a disk until `persist`. */
  holdPersistence(): void {
    for (const copies of this.#copies) for (const { vbucket } of copies.values()) vbucket.holdPersistence();
  }

  persist(): void {
    for (const copies of this.#copies) for (const { vbucket } of copies.values()) vbucket.persist();
  }

  /** Replicas take nothing more until `replicate`. */
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

  /** The node has nothing more; of each vbucket the first replica that is left is active, on a new branch. */
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

  /** Prepares the copies that the row wants, without taking any from where they are. */
  prepare(id: number, row: readonly number[]): void {
    const copies = this.#copies[id];
    const active = copies && activeOf(copies);
    if (copies === undefined || active === undefined) return;
    for (const [index, node] of row.entries())
      if (node !== -1 && !copies.has(node))
        copies.set(node, { vbucket: copyOf(active), state: index === 0 ? 'pending' : 'replica' });
  }

  /** The active copy is to be on this node from now on, beside the one there is. */
  activate(id: number, node: number): void {
    const copies = this.#copies[id];
    const active = copies && activeOf(copies);
    const copy = copies?.get(node);
    if (active === undefined || copy === undefined) return;
    // The very same one: while two nodes serve it, neither may miss what the other has taken.
    copy.vbucket = active;
    copy.state = 'active';
  }

  /** Told when a node stops to serve a vbucket. Returns what ends that. */
  onRetired(listener: (node: number, id: number) => void): () => void {
    this.#retirements.add(listener);
    return () => this.#retirements.delete(listener);
  }

  /** Forgets the deleted documents. */
  purge(): void {
    for (const copies of this.#copies) for (const { vbucket } of copies.values()) vbucket.purge();
  }

  /** This node does not serve the vbucket any more. */
  retire(id: number, node: number): void {
    const copy = this.#copies[id]?.get(node);
    if (copy !== undefined) copy.state = 'dead';
    this.#tellRetired(node, id);
  }

  /** The copy of `from`, which has been retired, is the active one of `to`. */
  takeOver(id: number, from: number, to: number): void {
    const old = this.#copies[id]?.get(from);
    const copy = this.#copies[id]?.get(to);
    if (old === undefined || copy === undefined) return;
    copy.vbucket = old.vbucket;
    copy.state = 'active';
  }

  /** The map says so from now on. */
  announce(id: number, row: readonly number[]): void {
    this.map = this.map.map((each, index) => (index === id ? row : each));
  }

  /** Gives up all copies that the row does not name; those that it does are replicas, but for the first. */
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
