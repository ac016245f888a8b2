import { readFileSync } from 'node:fs';
import { loadAddon } from '../../native/load';

/** More than most files ever have. */
const AMPLE = 2 ** 36;
/** What the lmdb package begins with by itself. */
const SMALLEST = 2 ** 17;

/**
 * Bytes of address space for the map of a file, of which it takes those it has. A map that becomes too small stays beside
 * the next one, which is twice as large, and what is read by way of several counts as memory for each. Where the process
 * is allowed only so much address space, has no more of it, or that is not known, the map begins small: LMDB does not survive being refused.
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
