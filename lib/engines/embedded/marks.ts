import { unpack } from 'msgpackr';
import { damaged } from '../../damage';
import type { TransactionMarks } from './change';

const DEEPEST = 256;

/**
 * Decodes what a writer attached to its transaction. Throws StorageError when the bytes are not exactly one MessagePack
 * value.
 */
export function unpackMarks(bytes: Buffer): TransactionMarks {
  // The decoder trusts length prefixes even when the data is missing.
  if (endOfValue(bytes, 0, 0) !== bytes.length) throw damaged('what the writer of a transaction said');
  try {
    return unpack(bytes) as TransactionMarks;
  } catch {
    throw damaged('what the writer of a transaction said');
  }
}

/** The end of the value that starts at `start`; NaN when it exceeds the bytes. */
function endOfValue(bytes: Buffer, start: number, depth: number): number {
  const token = bytes[start];
  if (token === undefined || depth > DEEPEST) return Number.NaN;
  const at = start + 1;
  if (token < 0x80 || token >= 0xe0) return at;
  if (token < 0x90) return endOfMany(bytes, at, 2 * (token - 0x80), depth);
  if (token < 0xa0) return endOfMany(bytes, at, token - 0x90, depth);
  if (token < 0xc0) return within(bytes, at + token - 0xa0);
  if (token < 0xc4) return at;
  if (token < 0xc7) return withLength(bytes, at, 1 << (token - 0xc4), 0);
  if (token < 0xca) return withLength(bytes, at, 1 << (token - 0xc7), 1);
  if (token < 0xcc) return within(bytes, at + (token === 0xca ? 4 : 8));
  if (token < 0xd4) return within(bytes, at + (1 << ((token - 0xcc) & 3)));
  if (token < 0xd9) return within(bytes, at + 1 + (1 << (token - 0xd4)));
  if (token < 0xdc) return withLength(bytes, at, 1 << (token - 0xd9), 0);
  const size = (token & 1) === 0 ? 2 : 4;
  if (at + size > bytes.length) return Number.NaN;
  return endOfMany(bytes, at + size, bytes.readUIntBE(at, size) * (token < 0xde ? 1 : 2), depth);
}

const within = (bytes: Buffer, end: number): number => (end <= bytes.length ? end : Number.NaN);

/** The end of a value with a length prefix of `size` bytes, followed by `more` bytes and the data. */
function withLength(bytes: Buffer, at: number, size: number, more: number): number {
  if (at + size > bytes.length) return Number.NaN;
  return within(bytes, at + size + more + bytes.readUIntBE(at, size));
}

function endOfMany(bytes: Buffer, start: number, count: number, depth: number): number {
  if (count > bytes.length - start) return Number.NaN;
  let at = start;
  for (let i = 0; i < count && !Number.isNaN(at); i += 1) at = endOfValue(bytes, at, depth + 1);
  return at;
}
