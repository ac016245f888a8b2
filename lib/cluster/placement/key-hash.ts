import { createHash } from 'node:crypto';
import { UnsupportedError } from '../../errors';

/**
 * 32 bits of a key. 'md5': the digest's first four bytes, little-endian. 'one-at-a-time': Jenkins's, over signed bytes as
 * libmemcached has it. 'java': `String.hashCode()` without its sign, as memjs has it.
 */
export type KeyHash = 'md5' | 'one-at-a-time' | 'java';

/** What `native/pipeline/key_hash.h` does, of the same text. */
export const keyHashes: Readonly<Record<KeyHash, (text: string) => number>> = {
  md5: (text) => md5(text).readUInt32LE(0),
  'one-at-a-time': oneAtATime,
  java: javaHash,
};

/** Throws UnsupportedError where the process may not use MD5. */
export function md5(text: string): Buffer {
  try {
    return createHash('md5').update(text).digest();
  } catch (cause) {
    throw new UnsupportedError(
      "this Node refuses MD5, as in FIPS mode; the placements 'ketama-unweighted', 'memjs' and 'modula' need none",
      { cause, context: { argument: 'placement' } },
    );
  }
}

function oneAtATime(text: string): number {
  let hash = 0;
  for (const byte of new Int8Array(Buffer.from(text))) {
    hash = (hash + byte) | 0;
    hash = (hash + (hash << 10)) | 0;
    hash ^= hash >>> 6;
  }
  hash = (hash + (hash << 3)) | 0;
  hash ^= hash >>> 11;
  return (hash + (hash << 15)) >>> 0;
}

function javaHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index += 1)
    hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0;
  return Math.abs(hash);
}
