import { randomBytes } from 'node:crypto';
import type { Document } from './document';
import type { SystemEvent } from './manifest';

/** From `seqno` on, the history has this uuid. */
export interface FailoverEntry {
  readonly uuid: bigint;
  readonly seqno: bigint;
}

/** One entry in the history of a vbucket. */
export type Change =
  | { readonly kind: 'document'; readonly seqno: bigint; readonly document: Document }
  | { readonly kind: 'system'; readonly seqno: bigint; readonly event: SystemEvent };

/** Called for each change. */
export type ChangeListener = (change: Change) => void;

interface Lock {
  readonly cas: bigint;
  /** Milliseconds of the cluster's clock. */
  readonly until: number;
}

/** The state that survives a crash. */
interface Disk {
  readonly documents: ReadonlyMap<string, Document>;
  readonly events: readonly Change[];
  readonly high: bigint;
}

/** One node's copy of a vbucket: the latest version of each document, tombstones included. */
export class VBucket {
  readonly id: number;
  /** Newest first; never empty. */
  failoverLog: readonly FailoverEntry[];
  high = 0n;
  /** Tombstones up to this seqno have been purged. */
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

  /** The latest version of a document; it may be a tombstone. */
  version(name: string): Document | undefined {
    return this.#documents.get(name);
  }

  documents(): IterableIterator<Document> {
    return this.#documents.values();
  }

  apply(change: Change): void {
    this.high = change.seqno;
    if (change.kind === 'document') {
      this.#documents.set(change.document.name, change.document);
    } else {
      this.#events.push(change);
      const { event } = change;
      if (event.kind === 'collection end') this.#forget(event.collection);
    }
    for (const listener of this.#listeners) listener(change);
  }

  /** All changes after `seqno` in order, with only the latest version of each document. */
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

  /** Copies the state of another copy. */
  copyFrom(other: VBucket): void {
    this.failoverLog = other.failoverLog;
    this.high = other.high;
    this.purged = other.purged;
    this.#documents = new Map(other.#documents);
    this.#events = [...other.#events];
  }

  /** Starts a new branch of the history, with a new uuid. */
  branch(): void {
    this.failoverLog = [{ uuid: newUuid(), seqno: this.high }, ...this.failoverLog];
  }

  /** Removes all tombstones. */
  purge(): void {
    for (const [name, document] of this.#documents) {
      if (document.deletion === undefined) continue;
      if (document.seqno > this.purged) this.purged = document.seqno;
      this.#documents.delete(name);
    }
  }

  /** Holds persistence back until `persist`. */
  holdPersistence(): void {
    this.#disk ??= { documents: new Map(this.#documents), events: [...this.#events], high: this.high };
  }

  persist(): void {
    this.#disk = undefined;
  }

  /** Loses everything that was not persisted, as after the death of the process. */
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
  // Never 0, which means that there is no history.
  return randomBytes(8).readBigUInt64BE() | 1n;
}
