import { randomBytes } from 'node:crypto';
import { type Document, nameOf } from './document';
import type { SystemEvent } from './manifest';

/** From `seqno` on the history is that of `uuid`. */
export interface FailoverEntry {
  readonly uuid: bigint;
  readonly seqno: bigint;
}

/** What happened in a vbucket under one seqno. */
export type Change =
  | { readonly kind: 'document'; readonly seqno: bigint; readonly document: Document }
  | { readonly kind: 'system'; readonly seqno: bigint; readonly event: SystemEvent };

/** Whoever wants to hear of changes as they happen. */
export type ChangeListener = (change: Change) => void;

interface Lock {
  readonly cas: bigint;
  /** Milliseconds of the cluster's clock. */
  readonly until: number;
}

/** What a crash leaves of a copy. */
interface Disk {
  readonly documents: ReadonlyMap<string, Document>;
  readonly events: readonly Change[];
  readonly high: bigint;
}

/** One node's copy of a vbucket: the newest version of every document, deleted ones as well. */
export class VBucket {
  readonly id: number;
  /** Newest first; never empty. */
  failoverLog: readonly FailoverEntry[];
  high = 0n;
  /** Deleted documents up to here are forgotten. */
  purged = 0n;
  readonly locks = new Map<string, Lock>();
  readonly #listeners = new Set<ChangeListener>();
  #documents = new Map<string, Document>();
  #events: Change[] = [];
  #disk: Disk | undefined;

  constructor(id: number) {
    this.id = id;
    this.failoverLog = [{ uuid: newUuid(), seqno: 0n }];
  }

  get uuid(): bigint {
    return this.failoverLog[0]?.uuid ?? 0n;
  }

  get persisted(): bigint {
    return this.#disk?.high ?? this.high;
  }

  get size(): number {
    return this.#documents.size;
  }

  /** Also one that is deleted. */
  version(name: string): Document | undefined {
    return this.#documents.get(name);
  }

  documents(): IterableIterator<Document> {
    return this.#documents.values();
  }

  apply(change: Change): void {
    this.high = change.seqno;
    if (change.kind === 'document') {
      const { collection, key } = change.document;
      this.#documents.set(nameOf(collection, key), change.document);
    } else {
      this.#events.push(change);
      const { event } = change;
      if (event.kind === 'collection end') this.#forget(event.collection);
    }
    for (const listener of this.#listeners) listener(change);
  }

  /** What a client that has everything up to `seqno` lacks, in order; of each document the newest version. */
  changesAfter(seqno: bigint): Change[] {
    const changes = this.#events.filter((change) => change.seqno > seqno);
    for (const document of this.#documents.values())
      if (document.seqno > seqno) changes.push({ kind: 'document', seqno: document.seqno, document });
    return changes.sort((one, other) => (one.seqno < other.seqno ? -1 : 1));
  }

  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Becomes what another copy is now. */
  copyFrom(other: VBucket): void {
    this.failoverLog = other.failoverLog;
    this.high = other.high;
    this.purged = other.purged;
    this.#documents = new Map(other.#documents);
    this.#events = [...other.#events];
  }

  /** A new branch of the history begins with what this copy has. */
  branch(): void {
    this.failoverLog = [{ uuid: newUuid(), seqno: this.high }, ...this.failoverLog];
  }

  /** Forgets every deleted document. */
  purge(): void {
    for (const [name, document] of this.#documents) {
      if (document.deletion === undefined) continue;
      if (document.seqno > this.purged) this.purged = document.seqno;
      this.#documents.delete(name);
    }
  }

  /** Nothing more reaches the disk until `persist`. */
  holdPersistence(): void {
    this.#disk ??= { documents: new Map(this.#documents), events: [...this.#events], high: this.high };
  }

  persist(): void {
    this.#disk = undefined;
  }

  /** What was not persisted is lost, as by the death of the process. */
  crash(): void {
    const disk = this.#disk;
    if (disk !== undefined) {
      this.#documents = new Map(disk.documents);
      this.#events = [...disk.events];
      this.high = disk.high;
    }
    this.#disk = undefined;
    this.locks.clear();
    this.#listeners.clear();
    this.branch();
  }

  #forget(collection: number): void {
    for (const [name, document] of this.#documents)
      if (document.collection === collection) this.#documents.delete(name);
  }
}

function newUuid(): bigint {
  // Never 0, which stands for no history at all.
  return randomBytes(8).readBigUInt64BE() | 1n;
}
