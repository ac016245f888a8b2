import { damaged } from '../../damage';
import { peek, type Snapshot, type Tree } from './lmdb';

const KEY = Buffer.from('state');
const FIELDS = 8;

/** Counters that every write transaction continues; one small record in the meta tree. */
export interface State {
  /** The newest journalled transaction; 0 when there is none. */
  seq: number;
  /** The oldest transaction whose events are all kept; seq + 1 when there is none. */
  oldest: number;
  journalBytes: number;
  /** The time of the latest commit, in ms. It does not go back when the clock does. */
  time: number;
  /** The number of insertion order positions assigned. */
  order: number;
  schemaVersion: number;
  /** The number of writes and removals so far. A write's number is the version of what it wrote. */
  writes: number;
  /** The time before which nothing expires, in ms. */
  nextExpiry: number;
}

export function initialState(): State {
  return {
    seq: 0,
    oldest: 1,
    journalBytes: 0,
    time: 0,
    order: 0,
    schemaVersion: 0,
    writes: 0,
    nextExpiry: Number.POSITIVE_INFINITY,
  };
}

export function readState(meta: Tree, snapshot?: Snapshot): State {
  const bytes = peek(meta, KEY, snapshot);
  if (bytes === undefined) return initialState();
  if (bytes.length !== FIELDS * 8) throw damaged('the state of the database');
  return {
    seq: bytes.readDoubleLE(0),
    oldest: bytes.readDoubleLE(8),
    journalBytes: bytes.readDoubleLE(16),
    time: bytes.readDoubleLE(24),
    order: bytes.readDoubleLE(32),
    schemaVersion: bytes.readDoubleLE(40),
    writes: bytes.readDoubleLE(48),
    nextExpiry: bytes.readDoubleLE(56),
  };
}

/** Call in a write transaction. */
export function writeState(meta: Tree, state: State): void {
  const bytes = Buffer.allocUnsafe(FIELDS * 8);
  bytes.writeDoubleLE(state.seq, 0);
  bytes.writeDoubleLE(state.oldest, 8);
  bytes.writeDoubleLE(state.journalBytes, 16);
  bytes.writeDoubleLE(state.time, 24);
  bytes.writeDoubleLE(state.order, 32);
  bytes.writeDoubleLE(state.schemaVersion, 40);
  bytes.writeDoubleLE(state.writes, 48);
  bytes.writeDoubleLE(state.nextExpiry, 56);
  meta.putSync(KEY, bytes);
}
