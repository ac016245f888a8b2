import { messageOf } from '../../arguments';
import { ConnectionError } from '../../errors';
import { isHost } from '../addresses';
import { type HostPort, nameOfServer } from '../connection-string';
import type { Timers } from '../resolver';
import type { CouchbaseTarget } from './connection-string';

/** What is used of a record of DNS. */
export interface ServiceRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
}

/** As `resolveSrv` of `node:dns/promises`. */
export type ResolveService = (name: string) => Promise<readonly ServiceRecord[]>;

const MOST_SEEDS = 256;

/**
 * The nodes to begin with: those that DNS names for the service `_couchbase._tcp` (`_couchbases` with TLS) of the url's host, the preferred
 * ones first, or else the url's own. `timeout`: ms that DNS is waited for. Rejects with ConnectionError only where the url wants a
 * service and there is none.
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
    const records = await within(timeout, timers, () => resolveService(service));
    const seeds = seedsOf(records);
    if (seeds.length > 0) return seeds;
    throw new Error('it names no server');
  } catch (cause) {
    if (target.srv === 'if there') return target.seeds;
    const message = `connect: the service ${service} is not known: ${messageOf(cause)}`;
    throw new ConnectionError(message, { cause, context: { op: 'connect', node: seed.host } });
  }
}

function seedsOf(records: readonly ServiceRecord[]): readonly HostPort[] {
  const seeds = new Map<string, HostPort>();
  // Weights make no difference to those who are all asked together.
  for (const { name, port } of records.toSorted((some, other) => some.priority - other.priority)) {
    const host = name.replace(/\.$/, '');
    if (!isHost(host) || port < 1 || port > 65535) continue;
    seeds.set(nameOfServer({ host, port }), { host, port });
    if (seeds.size === MOST_SEEDS) break;
  }
  return [...seeds.values()];
}

/** A resolver may take longer than anybody wants to wait, and cannot be told to stop. */
function within<T>(timeout: number, timers: Timers, ask: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = timers.timer(timeout, () => reject(new Error(`no answer within ${timeout} ms`)));
    ask()
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}
