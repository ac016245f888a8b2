import { readFileSync } from 'node:fs';
import { loadAddon } from '../../native/load';

/** Larger than most files will ever be. */
const AMPLE = 2 ** 36;
/** The initial size that the lmdb package uses. */
const SMALLEST = 2 ** 17;

/**
 * The address space to map for a file, which only uses what it needs. When a map becomes too small, it stays mapped
 * beside its successor of twice the size, and pages read through several maps count as memory of each. When the address
 * space of the process is limited, exhausted or unknown, the map starts small, because LMDB does not survive a refused
 * mapping.
 */
export function mapSize(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const isUnlimited = /^Max address space +unlimited/m.test(limits);
    return isUnlimited && loadAddon().canMap(AMPLE) ? AMPLE : SMALLEST;
  } catch {
    return SMALLEST;
  }
}
