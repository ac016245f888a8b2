import { messageOf } from '../../arguments';
import { ConnectionError } from '../../errors';
import type { Registration, Timers } from '../../event-base/event-base';
import { isHost } from '../addresses';
import { type HostPort, nameOfServer } from '../connection-string';
import type { CouchbaseTarget } from './connection-string';

/** The used part of an SRV record. */
export interface ServiceRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
}

/** Such as `resolveSrv` of `node:dns/promises`. */
export type ResolveService = (name: string) => Promise<readonly ServiceRecord[]>;

const MOST_SEEDS = 256;

/**
 * The nodes to connect to first: those of the SRV record `_couchbase._tcp` (`_couchbases._tcp` for TLS) of the URL's
 * host in order of priority, or the hosts of the URL if there is no record. `timeout`: ms to wait for DNS. Rejects with
 * ConnectionError only if the URL requires a record and there is none.
 */
export async function findSeeds(
  target: CouchbaseTarget,
  resolveService: ResolveService,
  timers: Timers,
  timeout: number,
): Promise<readonly HostPort[]> {
  const [seed] = target.seeds;
  if (target.srv === 'none' || seed === undefined) return target.seeds;
  const service = `_couchbase${target.isEncrypted ? 's' : ''}._tcp.${seed.host}`;
  try {
    const records = await within(timeout, timers, resolveService(service));
    const seeds = seedsOf(records);
    if (seeds.length > 0) return seeds;
    throw new Error('the record has no valid server');
  } catch (cause) {
    if (target.srv === 'if there') return target.seeds;
    const message = `connect: no SRV record ${service}: ${messageOf(cause)}`;
    throw new ConnectionError(message, { cause, context: { op: 'connect', node: seed.host } });
  }
}

function seedsOf(records: readonly ServiceRecord[]): readonly HostPort[] {
  const seeds = new Map<string, HostPort>();
  // Weights are ignored because all seeds are asked at once.
  for (const { name, port } of records.toSorted((some, other) => some.priority - other.priority)) {
    const host = name.replace(/\.$/, '');
    if (!isHost(host) || port < 1 || port > 65535) continue;
    seeds.set(nameOfServer({ host, port }), { host, port });
    if (seeds.size === MOST_SEEDS) break;
  }
  return [...seeds.values()];
}

/** A DNS query may take long and cannot be cancelled. */
async function within<T>(timeout: number, timers: Timers, answer: Promise<T>): Promise<T> {
  let timer: Registration | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = timers.timer(timeout, () => reject(new Error(`no answer within ${timeout} ms`)));
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer?.cancel();
  }
}
