import { damaged, shownBytes } from '../../damage';
import { peekRaw, type Snapshot, type Tree } from './lmdb';
import type { Version } from './version';

const HEADER = 20;
const NEVER = 0;

/** A value under a plain key, as stored in its tree. */
export interface PlainRecord {
  readonly data: Buffer;
  /** As on memcached: the transcoder's description of the data. */
  readonly flags: number;
  readonly version: Version;
  /** ms since 1970; undefined: never. */
  readonly expiresAt: number | undefined;
}

/** A value to store; without a version it gets a new one. */
export interface PlainDraft extends Pick<PlainRecord, 'data' | 'flags' | 'expiresAt'> {
  readonly version?: Version | undefined;
}

/** u32 flags, u64 version, f64 expiry or 0, all little-endian; then the data. */
export function encodePlain({ data, flags, expiresAt }: PlainDraft, version: Version): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER + data.length);
  bytes.writeUInt32LE(flags, 0);
  bytes.writeUInt32LE(version.low, 4);
  bytes.writeUInt32LE(version.high, 8);
  bytes.writeDoubleLE(expiresAt ?? NEVER, 12);
  bytes.set(data, HEADER);
  return bytes;
}

export function readPlain(tree: Tree, key: Uint8Array, snapshot?: Snapshot): PlainRecord | undefined {
  const bytes = peekRaw(tree, key, snapshot);
  if (bytes === undefined) return undefined;
  if (bytes.length < HEADER) throw damaged(`the value under the key ${shownBytes(key)}`);
  const expiresAt = bytes.readDoubleLE(12);
  return {
    data: Buffer.from(bytes.subarray(HEADER, bytes.length)),
    flags: bytes.readUInt32LE(0),
    version: { high: bytes.readUInt32LE(8), low: bytes.readUInt32LE(4) },
    expiresAt: expiresAt === NEVER ? undefined : expiresAt,
  };
}
