import { type KeyHash, keyHashes, md5 } from './key-hash';

/** Hashes for both labels and keys. */
export type RingHash = Exclude<KeyHash, 'java'>;

/**
 * Points on a circle of 2^32, ascending, each with the index of the server that owns the keys after the previous point,
 * up to and including this one. Of equal points the first one counts.
 */
export interface Ring {
  readonly kind: 'ring';
  readonly keyHash: RingHash;
  readonly points: Uint32Array;
  readonly owners: Uint16Array;
}

const pointsOf: Readonly<Record<RingHash, (label: string) => number[]>> = {
  md5: (label) => {
    const digest = md5(label);
    return [0, 4, 8, 12].map((offset) => digest.readUInt32LE(offset));
  },
  'one-at-a-time': (label) => [keyHashes['one-at-a-time'](label)],
};

// Owners have 16 bits, so a point and its owner fit in one integer that sorts in ring order.
const OWNERS = 2 ** 16;

/** `labels[i]` is the name of server i on the ring, and `shares[i]` the number of labels derived from it. */
export function makeRing(keyHash: RingHash, labels: readonly string[], shares: readonly number[]): Ring {
  const entries = Float64Array.from(
    labels.flatMap((label, owner) =>
      Array.from({ length: shares[owner] ?? 0 }, (_, index) => pointsOf[keyHash](`${label}-${index}`))
        .flat()
        .map((point) => point * OWNERS + owner),
    ),
  ).sort();
  return {
    kind: 'ring',
    keyHash,
    points: Uint32Array.from(entries, (entry) => Math.floor(entry / OWNERS)),
    owners: Uint16Array.from(entries, (entry) => entry % OWNERS),
  };
}

/** The index of the server that owns this hash. */
export function ownerOf({ points, owners }: Ring, hash: number): number {
  let from = 0;
  let to = points.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((points[middle] ?? 0) < hash) from = middle + 1;
    else to = middle;
  }
  return owners[from === points.length ? 0 : from] ?? 0;
}
