import type { Change, VBucket } from '../vbucket';
import { type Filter, isFor } from './filter';
import {
  documentMessage,
  type EndReasonName,
  endMessage,
  type Form,
  markerMessage,
  osoMessage,
  SnapshotFlag,
  seqnoAdvancedMessage,
  systemMessage,
} from './messages';

/** How streams cut their snapshots. */
export interface Cuts {
  /** Maximum number of changes in an in-memory snapshot. A backfill is always one snapshot. */
  readonly snapshotItems: number;
  /** Snapshot markers are sent without the changes in the snapshots. */
  readonly holdsItems: boolean;
}

export interface StreamOptions {
  readonly form: Form;
  readonly vbucket: VBucket;
  readonly filter: Filter;
  readonly start: bigint;
  /** The start of the client's snapshot, which is the start of the first marker. */
  readonly snapshotStart: bigint;
  readonly end: bigint;
  readonly isOutOfOrder: boolean;
  readonly tellsAdvances: boolean;
  scopeOf(collection: number): number | undefined;
  /** Called when there is something to send. */
  wake(): void;
}

interface Open {
  readonly end: bigint;
  readonly changes: readonly Change[];
  /** How many of the changes have been dealt with. */
  position: number;
  readonly isBackfill: boolean;
  last: 'sent' | 'filtered';
  begun: boolean;
}

/** The change stream of one vbucket. The producer asks it for the next message when there is room. */
export class Stream {
  readonly form: Form;
  readonly #options: StreamOptions;
  readonly #stopListening: () => void;
  #waiting: Change[] = [];
  #snapshot: Open | undefined;
  #position: bigint;
  #isFirst = true;
  #hasCheckpoint = false;
  #isEmptied = false;
  #isOver = false;

  constructor(options: StreamOptions) {
    const { vbucket, start, end } = options;
    this.form = options.form;
    this.#options = options;
    this.#position = start;
    const missed = vbucket.changesAfter(start).filter(({ seqno }) => seqno <= end);
    const last = missed.at(-1);
    if (last !== undefined) {
      const changes = options.isOutOfOrder ? missed.sort(byKey) : missed;
      this.#snapshot = {
        end: last.seqno,
        changes,
        position: 0,
        isBackfill: true,
        last: 'sent',
        begun: false,
      };
    }
    this.#stopListening = vbucket.listen((change) => {
      this.#waiting.push(change);
      options.wake();
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The next message; undefined: there is none now. */
  next(cuts: Cuts): Buffer | undefined {
    if (this.#isOver) return undefined;
    if (this.#isEmptied) return this.finish('filterEmpty');
    this.#snapshot ??= this.#memorySnapshot(cuts.snapshotItems);
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return this.#position >= this.#options.end ? this.finish('ok') : undefined;
    if (!snapshot.begun) return this.#begin(snapshot);
    if (cuts.holdsItems) return undefined;
    for (;;) {
      const change = snapshot.changes[snapshot.position++];
      if (change === undefined) return this.#endSnapshot(snapshot) ?? this.next(cuts);
      if (this.#isWanted(change)) {
        snapshot.last = 'sent';
        this.#isEmptied = this.#empties(change);
        return change.kind === 'document'
          ? documentMessage(this.form, change.document)
          : systemMessage(this.form, change.seqno, change.event);
      }
      snapshot.last = 'filtered';
    }
  }

  /** The stream end message; undefined if the stream is already over. */
  finish(reason: EndReasonName): Buffer | undefined {
    if (this.#isOver) return undefined;
    this.stop();
    return endMessage(this.form, reason);
  }

  /** Ends the stream without a message. */
  stop(): void {
    this.#isOver = true;
    this.#stopListening();
    this.#waiting = [];
  }

  /** Whether the change drops everything that the filter selects. */
  #empties(change: Change): boolean {
    const { filter } = this.#options;
    if (change.kind !== 'system') return false;
    const { event } = change;
    if (event.kind === 'scope drop') return filter.scope === event.scope;
    return (
      event.kind === 'collection end' &&
      filter.collections?.size === 1 &&
      filter.collections.has(event.collection)
    );
  }

  #isWanted(change: Change): boolean {
    return isFor(this.#options.filter, change, this.#options.scopeOf);
  }

  #begin(snapshot: Open): Buffer | undefined {
    snapshot.begun = true;
    const { vbucket, isOutOfOrder, snapshotStart } = this.#options;
    if (snapshot.isBackfill && isOutOfOrder) {
      this.#isFirst = false;
      return osoMessage(this.form, 'start');
    }
    const first = snapshot.changes[0]?.seqno ?? snapshot.end;
    const start = this.#isFirst ? min(snapshotStart, this.#position) : first;
    const kind = snapshot.isBackfill ? SnapshotFlag.disk : SnapshotFlag.memory;
    const flags = kind | (snapshot.isBackfill || !this.#hasCheckpoint ? SnapshotFlag.checkpoint : 0);
    this.#hasCheckpoint ||= !snapshot.isBackfill;
    this.#isFirst = false;
    return markerMessage(this.form, { start, end: snapshot.end, flags }, vbucket.purged);
  }

  #endSnapshot(snapshot: Open): Buffer | undefined {
    this.#snapshot = undefined;
    this.#position = snapshot.end;
    if (snapshot.isBackfill && this.#options.isOutOfOrder) {
      if (this.#options.tellsAdvances)
        this.#snapshot = { ...snapshot, isBackfill: false, last: 'filtered', begun: true };
      return osoMessage(this.form, 'end');
    }
    return snapshot.last === 'filtered' ? seqnoAdvancedMessage(this.form, snapshot.end) : undefined;
  }

  #memorySnapshot(most: number): Open | undefined {
    const { end } = this.#options;
    const changes = this.#waiting
      .splice(0, most)
      .filter(({ seqno }) => seqno > this.#position && seqno <= end);
    const last = changes.at(-1);
    if (last === undefined) return undefined;
    return { end: last.seqno, changes, position: 0, isBackfill: false, last: 'sent', begun: false };
  }
}

function byKey(one: Change, other: Change): number {
  if (one.kind !== 'document' || other.kind !== 'document') return one.kind === 'system' ? -1 : 1;
  return Buffer.compare(one.document.key, other.document.key);
}

function min(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}
