// This process's memory. /proc is asked first: maxRSS survives exec, so a child would start with its parent's peak,
// and /proc's high-water mark can be put back before the load begins.
import { readFileSync, writeFileSync } from 'node:fs';

export function residentBytes(): number {
  return process.memoryUsage.rss();
}

/** Makes `peakBytes` count from now on, where the system can. */
export function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Then the peak is that of the whole process, start-up included: higher, never lower.
  }
}

export function peakBytes(): number {
  try {
    const kib = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    if (kib) return Number(kib) * 1024;
  } catch {
    // Not a Linux /proc.
  }
  return process.resourceUsage().maxRSS * 1024;
}

/** Of the resident bytes, those that are the process's own and not pages of a file it has mapped; undefined elsewhere than on Linux. */
export function anonymousBytes(): number | undefined {
  try {
    const kib = /^RssAnon:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined; // not a Linux /proc
  }
}
