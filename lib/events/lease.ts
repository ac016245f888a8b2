import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { dateNow } from '../platform';

/** The holder of a durable subscription. */
export interface Lease {
  readonly holder: string;
  readonly pid: number;
  readonly host: string;
  /** ms since 1970; renewed long before. */
  readonly until: number;
}

const LEASE_MS = 10_000;
export const RENEWAL_MS = 3000;

export function newLease(holder: string = randomUUID()): Lease {
  return { holder, pid: process.pid, host: hostname(), until: dateNow() + LEASE_MS };
}

/** ms since 1970, to within a second. */
const processStartedAt = (): number => dateNow() - process.uptime() * 1000 - 1000;

/**
 * Whether the holder may still be running: its lease has not expired, and its process is not known to be gone from this
 * machine.
 */
export function isAlive({ pid, host, until }: Lease): boolean {
  if (until <= dateNow()) return false;
  if (host !== hostname()) return true;
  // In a container, the next process often has the same pid as the previous one.
  if (pid === process.pid) return until - LEASE_MS >= processStartedAt();
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== 'ESRCH';
  }
}
