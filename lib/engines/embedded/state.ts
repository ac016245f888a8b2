import { damaged } from '../../damage';
import { peek, type Snapshot, type Tree } from './lmdb';

const KEY = Buffer.from('state');
const FIELDS = 8;

/** The numbers that every write transaction goes on from; one small record of the meta tree. */
export interface State {
  /** Of the newest journalled transaction; 0 when there is none. */
  seq: number;
  /** Of the oldest transaction whose events are all kept; seq + 1 when there is none. */
  oldest: number;
  journalBytes: number;
  /** The latest moment of a commit, in ms: time does not go back when the clock does. */
  time: number;
  /** How many records got a place in the order of insertion. */
  order: number;
  schemaVersion: number;
  /** How many writes and removals there have been: what one has written has its number as its version. */
  writes: number;
  /** Nothing expires before this moment, in ms. */
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

/** In a write transaction. */
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
