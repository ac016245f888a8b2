import { damaged } from '../../damage';
import { PositionLostError } from '../../errors';
import {
  type ChangeCursor,
  type ChangeLog,
  type ChangeView,
  type Expansion,
  type Fragment,
  type LoggedClass,
  type LoggedRecord,
  type Notes,
  type Place,
  WHOLE,
} from '../../events/change-log';
import { formatPosition } from '../../events/position';
import type { ClassDefinition } from '../../schema/class';
import type { TransactionMarks } from './change';
import { type ClassStore, hasBit } from './class-store';
import type { Environment } from './environment';
import type { Hold } from './hold';
import { blockAfter, blockFrom, EVENT_HEADER, FRAGMENT_HEADER, FRAGMENT_LAST } from './journal';
import type { Snapshot } from './lmdb';
import { unpackMarks } from './marks';
import { type Range, scan } from './scan';

/** The journal in the form that subscriptions read. */
export class JournalLog implements ChangeLog {
  readonly epoch: string;
  readonly notes: Notes;
  readonly #environment: Environment;

  constructor(environment: Environment, notes: Notes) {
    this.#environment = environment;
    this.epoch = environment.epoch;
    this.notes = notes;
  }

  get isImplicit(): boolean {
    return this.#environment.catalog.isImplicit;
  }

  head(): { readonly seq: number; readonly oldest: number } {
    this.#environment.freshen();
    return this.#environment.head();
  }

  cursor(after: Place): ChangeCursor {
    return new JournalCursor(this.#environment, after);
  }

  reopen(copy: Uint8Array): Fragment {
    const block = new Block(Buffer.from(copy));
    block.endOf(0);
    return new JournalFragment(this.#environment, block, 0, 0);
  }

  classOf(definition: ClassDefinition): LoggedClass {
    return this.#environment.catalog.storeOf(definition);
  }

  get classes(): Iterable<LoggedClass> {
    return this.#environment.catalog.stores;
  }

  snapshot(classes: readonly LoggedClass[]) {
    const records = new SnapshotRecords(this.#environment, classes);
    return { place: records.place, records };
  }

  expand(classes: readonly LoggedClass[], holder: string, isPermanent: boolean): Expansion {
    this.#environment.assertWritable();
    const ids = classes.map(({ id }) => id);
    return this.#environment.expanders.begin(ids, holder, isPermanent, this.notes);
  }

  onMore(listener: () => void): () => void {
    return this.#environment.onMore(listener);
  }
}

/** All records of the classes as of one place in the journal. */
class SnapshotRecords implements Iterator<LoggedRecord> {
  readonly place: Place;
  readonly #environment: Environment;
  readonly #hold: Hold;
  readonly #found: Iterator<LoggedRecord>;

  constructor(environment: Environment, classes: readonly LoggedClass[]) {
    const names = classes.map(({ definition }) => definition.name).join(', ');
    this.#environment = environment;
    this.#hold = environment.snapshot(this, `a subscription to ${names}`, environment.placeOfCall());
    const { transaction } = this.#hold;
    this.#found = this.#hold.begin(recordsIn(environment, transaction, classes));
    this.place = { seq: environment.headOf(transaction), index: WHOLE };
  }

  next(): IteratorResult<LoggedRecord> {
    if (this.#hold.isOver) this.#environment.assertOpen();
    return this.#found.next();
  }

  return(): IteratorResult<LoggedRecord> {
    this.#hold.done();
    return { done: true, value: undefined };
  }
}

function* recordsIn(
  environment: Environment,
  snapshot: Snapshot,
  classes: readonly LoggedClass[],
): Generator<LoggedRecord> {
  for (const logged of classes) {
    const store = environment.catalog.byId(logged.id) as ClassStore;
    for (const { record } of scan(store, EVERYTHING, environment.now(), snapshot, undefined))
      yield { logged, record };
  }
}

const EVERYTHING: Range = {
  index: undefined,
  start: undefined,
  end: undefined,
  reverse: false,
  limit: Number.MAX_SAFE_INTEGER,
};

class JournalCursor implements ChangeCursor {
  readonly #environment: Environment;
  /** The place in the form that users see. */
  #after: Place;
  #place: Place;
  /** Whether the whole transaction of the place is before it. */
  #isWhole: boolean;
  #key: Uint8Array | undefined;
  #block: Block | undefined;
  #at = 0;

  constructor(environment: Environment, after: Place) {
    this.#environment = environment;
    this.#after = after;
    // If only some parts of a change were delivered, the change is read again for the rest.
    this.#place = after.part === undefined ? after : { seq: after.seq, index: after.index - 1 };
    this.#isWhole = after.index === WHOLE;
  }

  next(): Fragment | undefined {
    for (;;) {
      if (this.#block === undefined || this.#at >= this.#block.bytes.length) {
        if (!this.#nextBlock()) return undefined;
      }
      const block = this.#block as Block;
      const { view } = block;
      const at = this.#at;
      this.#at = block.endOf(at);
      const seq = view.getFloat64(at + 8, true);
      const end = view.getUint32(at + 24, true) + view.getUint32(at + 28, true);
      const { seq: after, index } = this.#place;
      if (seq < after || (seq === after && end <= index + 1)) continue;
      const skipped = seq === after ? index + 1 : 0;
      const fragment = new JournalFragment(this.#environment, block, at, skipped);
      this.#place = { seq, index: end - 1 };
      this.#after = this.#place;
      this.#isWhole = fragment.isLast;
      return fragment;
    }
  }

  /** Returns false when there is no block. Throws when blocks between the place and the oldest kept one are lost. */
  #nextBlock(): boolean {
    const { beside, trees } = this.#environment;
    const from = this.#isWhole ? this.#place.seq + 1 : this.#place.seq;
    const { oldest } = this.#environment.head();
    if (from < oldest) {
      const requested = formatPosition(this.#environment.epoch, this.#after);
      const kept = formatPosition(this.#environment.epoch, { seq: oldest - 1, index: WHOLE });
      throw new PositionLostError('the events after the position are not kept any more', {
        context: { requested, oldest: kept },
      });
    }
    const next =
      this.#key === undefined
        ? blockFrom(trees.journal, from, beside.range)
        : blockAfter(trees.journal, this.#key, beside.range);
    this.#at = 0;
    this.#block = next && new Block(next.block);
    if (next === undefined) return false;
    this.#key = next.key;
    return true;
  }
}

class Block {
  readonly view: DataView;

  constructor(readonly bytes: Buffer) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The end of the fragment. Throws StorageError when its length is inconsistent. */
  endOf(start: number): number {
    const left = this.bytes.length - start;
    const length = left < FRAGMENT_HEADER ? 0 : this.view.getUint32(start, true);
    if (
      length < FRAGMENT_HEADER ||
      length > left ||
      this.view.getUint32(start + 32, true) > length - FRAGMENT_HEADER
    )
      throw damaged('a block of the journal');
    return start + length;
  }
}

class JournalFragment implements Fragment {
  readonly seq: number;
  readonly time: number;
  readonly first: number;
  readonly count: number;
  readonly isLast: boolean;
  readonly size: number;
  readonly #environment: Environment;
  readonly #block: Block;
  readonly #start: number;
  readonly #marksLength: number;
  readonly #skipped: number;
  #marks: TransactionMarks | undefined;

  /** `skipped` is the index of the first change to deliver. */
  constructor(environment: Environment, block: Block, start: number, skipped: number) {
    const { view, bytes } = block;
    this.#environment = environment;
    this.#block = block;
    this.#start = start;
    const first = view.getUint32(start + 24, true);
    this.#skipped = Math.max(0, skipped - first);
    this.#marksLength = view.getUint32(start + 32, true);
    this.size = view.getUint32(start, true);
    this.seq = view.getFloat64(start + 8, true);
    this.time = view.getFloat64(start + 16, true);
    this.first = first + this.#skipped;
    this.count = view.getUint32(start + 28, true) - this.#skipped;
    this.isLast = ((bytes[start + 4] as number) & FRAGMENT_LAST) !== 0;
  }

  get origin(): string | undefined {
    return this.#read()?.origin;
  }

  get meta(): unknown {
    return this.#read()?.meta;
  }

  changes(): ChangeView {
    const end = this.#start + FRAGMENT_HEADER + this.#marksLength;
    const change = new JournalChange(
      this.#environment,
      this.#block,
      this.#start,
      end,
      this.count + this.#skipped,
    );
    for (let i = 0; i < this.#skipped; i += 1) change.next();
    return change;
  }

  #read(): TransactionMarks | undefined {
    if (this.#marksLength === 0) return undefined;
    const start = this.#start + FRAGMENT_HEADER;
    this.#marks ??= unpackMarks(this.#block.bytes.subarray(start, start + this.#marksLength));
    return this.#marks;
  }
}

class JournalChange implements ChangeView {
  kind = 0;
  flags = 0;
  classId = 0;
  readonly #environment: Environment;
  readonly #block: Block;
  readonly #fragment: number;
  #left: number;
  #start = 0;
  #changed = 0;
  #before = 0;
  #after = 0;
  #end: number;

  /** `end` is the end of what precedes the first of the `count` changes. */
  constructor(environment: Environment, block: Block, fragment: number, end: number, count: number) {
    this.#environment = environment;
    this.#block = block;
    this.#fragment = fragment;
    this.#end = end;
    this.#left = count;
  }

  next(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    const { bytes, view } = this.#block;
    const at = this.#end;
    const limit = this.#fragment + view.getUint32(this.#fragment, true);
    if (at + EVENT_HEADER > limit) throw damaged('an event of the journal');
    this.kind = bytes[at] as number;
    this.flags = bytes[at + 1] as number;
    this.classId = view.getUint16(at + 2, true);
    this.#start = at;
    this.#changed = at + EVENT_HEADER;
    this.#before = this.#changed + view.getUint32(at + 4, true);
    this.#after = this.#before + view.getUint32(at + 8, true);
    this.#end = this.#after + view.getUint32(at + 12, true);
    if (this.#end > limit) throw damaged('an event of the journal');
    return true;
  }

  get extra(): number {
    return this.#block.view.getFloat64(this.#start + 16, true);
  }

  before(): Readonly<Record<string, unknown>> {
    return this.#decode(this.#before, this.#after);
  }

  after(): Readonly<Record<string, unknown>> {
    return this.#decode(this.#after, this.#end);
  }

  hasChanged(field: number): boolean {
    const at = this.#changed + (field >> 3);
    return at < this.#before && hasBit(this.#block.bytes, (at << 3) | (field & 7));
  }

  copy(): Uint8Array {
    const { bytes, view } = this.#block;
    const marks = view.getUint32(this.#fragment + 32, true);
    const header = Buffer.from(bytes.subarray(this.#fragment, this.#fragment + FRAGMENT_HEADER + marks));
    const copy = Buffer.concat([header, bytes.subarray(this.#start, this.#end)]);
    copy.writeUInt32LE(copy.length, 0);
    copy[4] = FRAGMENT_LAST;
    copy.writeUInt32LE(1, 28);
    return copy;
  }

  #decode(start: number, end: number): Readonly<Record<string, unknown>> {
    const store = this.#environment.catalog.byId(this.classId);
    const { bytes } = this.#block;
    const record = store?.codec.decodePayload(bytes, start, end, bytes.length);
    if (record !== undefined) return record;
    throw damaged(`a record of ${store?.name ?? `class ${this.classId}`} in the journal`);
  }
}
