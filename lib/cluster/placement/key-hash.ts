import { createHash } from 'node:crypto';
import { UnsupportedError } from '../../errors';

/**
 * A 32-bit hash of a key. 'md5': the first four bytes of the digest, little-endian. 'one-at-a-time': Jenkins's, over
 * signed bytes as in libmemcached. 'java': `String.hashCode()` without its sign, as in memjs.
 */
export type KeyHash = 'md5' | 'one-at-a-time' | 'java';

/** The same results as `native/pipeline/key_hash.h`. */
export const keyHashes: Readonly<Record<KeyHash, (text: string) => number>> = {
  md5: (text) => md5(text).readUInt32LE(0),
  'one-at-a-time': oneAtATime,
  java: javaHash,
};

/** Throws UnsupportedError when the process may not use MD5. */
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
