import type { Durability } from '../../transactions/documents';

const LEVELS: Readonly<Record<Durability, number>> = {
  majority: 1,
  majorityAndPersistActive: 2,
  persistToMajority: 3,
};

/** The server would give up too early to be of use. */
const SHORTEST = 1500;
const LONGEST = 0xfffe;
const SHARE = 0.9;

/**
 * The word of the parameter block: the level, and from bit 8 on the ms that the server has. It is to give up before the client
 * does, and to tell what became of the write.
 */
export function durabilityWord(level: Durability, timeout: number): number {
  const given = Math.min(Math.max(Math.floor(timeout * SHARE), SHORTEST), LONGEST);
  return (LEVELS[level] | (given << 8)) >>> 0;
}
