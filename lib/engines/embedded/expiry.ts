import { damaged, shownBytes } from '../../damage';
import { FROM_FIRST, inSnapshot, type Snapshot, type Tree } from './lmdb';

/** f64 time in ms (positive, so that its bytes sort in order), u16 class number or 0, then the primary key. */
export function expiryKey(moment: number, classId: number, key: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(10 + key.length);
  bytes.writeDoubleBE(moment, 0);
  bytes.writeUInt16BE(classId, 8);
  key.copy(bytes, 10);
  return bytes;
}

export interface Due {
  readonly moment: number;
  /** 0 for plain keys. */
  readonly classId: number;
  readonly key: Buffer;
}

/** Everything due by `now`, the oldest first. */
export function* dueBy(expiry: Tree, now: number, snapshot?: Snapshot): Generator<Due> {
  for (const key of expiry.getKeys({ ...FROM_FIRST, ...inSnapshot(expiry, snapshot) })) {
    const due = readExpiryKey(key);
    if (due.moment > now) return;
    yield due;
  }
}

export function readExpiryKey(key: Uint8Array): Due {
  if (key.byteLength < 10) throw damaged(`the moment of expiry ${shownBytes(key)}`);
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  return { moment: bytes.readDoubleBE(0), classId: bytes.readUInt16BE(8), key: bytes.subarray(10) };
}
