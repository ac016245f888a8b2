import { leb128, readLeb128 } from './numbers';

/**
 * Snappy's block format (google/snappy's `format_description.txt`), enough to test a client's library.
 */

const MIN_MATCH = 4;
const LONGEST_COPY = 64;
const FARTHEST = 0xffff;
const HASH_BITS = 14;

/** Undefined if the block is invalid. */
export function uncompressed(block: Buffer): Buffer | undefined {
  const header = readLeb128(block);
  if (header === undefined) return undefined;
  const length = header.value;
  // The largest copy expands 3 bytes to 64, so a longer length cannot be true.
  if (length > block.length * 32) return undefined;
  const plain = Buffer.alloc(length);
  let at = header.length;
  let filled = 0;
  while (at < block.length) {
    const tag = block[at++] ?? 0;
    const isLiteral = (tag & 3) === 0;
    if (isLiteral) {
      const short = tag >> 2;
      const extra = Math.max(0, short - 59);
      if (at + extra > block.length) return undefined;
      const size = (extra === 0 ? short : block.readUIntLE(at, extra)) + 1;
      at += extra;
      if (at + size > block.length || filled + size > length) return undefined;
      block.copy(plain, filled, at, at + size);
      at += size;
      filled += size;
      continue;
    }
    const width = [0, 1, 2, 4][tag & 3] ?? 4;
    if (at + width > block.length) return undefined;
    const low = block.readUIntLE(at, width);
    at += width;
    const size = width === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const offset = width === 1 ? ((tag >> 5) << 8) | low : low;
    if (offset === 0 || offset > filled || filled + size > length) return undefined;
    for (let index = 0; index < size; index += 1, filled += 1) plain[filled] = plain[filled - offset] ?? 0;
  }
  return filled === length ? plain : undefined;
}

export function compressed(plain: Buffer): Buffer {
  const pieces: Buffer[] = [leb128(plain.length)];
  const seen = new Int32Array(1 << HASH_BITS).fill(-1);
  let literal = 0;
  let at = 0;
  while (at + MIN_MATCH <= plain.length) {
    const hash = Math.imul(plain.readUInt32LE(at), 0x1e35a7bd) >>> (32 - HASH_BITS);
    const candidate = seen[hash] ?? -1;
    seen[hash] = at;
    if (candidate === -1 || at - candidate > FARTHEST || !matches(plain, candidate, at)) {
      at += 1;
      continue;
    }
    let size = MIN_MATCH;
    while (at + size < plain.length && plain[candidate + size] === plain[at + size]) size += 1;
    pieces.push(...literals(plain.subarray(literal, at)), ...copies(at - candidate, size));
    at += size;
    literal = at;
  }
  pieces.push(...literals(plain.subarray(literal)));
  return Buffer.concat(pieces);
}

function matches(plain: Buffer, one: number, other: number): boolean {
  return plain.readUInt32LE(one) === plain.readUInt32LE(other);
}

function literals(bytes: Buffer): Buffer[] {
  if (bytes.length === 0) return [];
  if (bytes.length <= 60) return [Buffer.from([(bytes.length - 1) << 2]), bytes];
  const tag = Buffer.alloc(5);
  tag[0] = 63 << 2;
  tag.writeUInt32LE(bytes.length - 1, 1);
  return [tag, bytes];
}

function copies(offset: number, size: number): Buffer[] {
  const tags: Buffer[] = [];
  for (let rest = size; rest > 0; rest -= LONGEST_COPY) {
    const tag = Buffer.alloc(3);
    tag[0] = ((Math.min(rest, LONGEST_COPY) - 1) << 2) | 2;
    tag.writeUInt16LE(offset, 1);
    tags.push(tag);
  }
  return tags;
}
