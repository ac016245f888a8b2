import { resolveSrv } from 'node:dns/promises';
import { checkTimeout, invalidArgument } from '../../arguments';
import { CollectionIds } from '../../cluster/couchbase/collections';
import { ConfigMonitor } from '../../cluster/couchbase/config-monitor';
import { type ClusterState, Configurations } from '../../cluster/couchbase/configurations';
import type { CouchbaseTarget } from '../../cluster/couchbase/connection-string';
import { checkMechanism, type Mechanism, mechanismsFor } from '../../cluster/couchbase/mechanisms';
import { checkNetwork } from '../../cluster/couchbase/network';
import { type RoutingTable, routingTableOf } from '../../cluster/couchbase/routing-table';
import { SaltedPasswords } from '../../cluster/couchbase/scram';
import { findSeeds } from '../../cluster/couchbase/seeds';
import { type Credentials, checkCredentials } from '../../cluster/credentials';
import { Fleet } from '../../cluster/fleet';
import { Resolver } from '../../cluster/resolver';
import { ClosedError } from '../../errors';
import { EventBase } from '../../event-base/event-base';
import * as layout from '../../native/layout';
import type { SlowOperations } from '../../observability/slow-operations';
import { performanceNow } from '../../platform';
import type { Transcoder } from '../../transactions/transcoder';
import type { Capabilities, Engine, Transport } from '../engine';
import { type Bases, Management } from '../management';
import type { Wire } from '../network/dialect';
import { resolveClientOptions } from '../network/options';
import { NativeTransport } from '../network/transport';
import { Bucket } from './bucket';
import { couchbaseDialect } from './dialect';
import { plainHandshake, scramHandshake } from './handshake';
import { ScramDialog } from './login';
import type { CouchbaseOptions } from './options';
import { askForCollection, askForConfiguration } from './questions';

const CAPABILITIES: Capabilities = {
  engine: 'couchbase',
  transactions: false,
  events: false,
  durability: true,
  collections: true,
  subDocument: true,
  backup: false,
  topology: true,
  staleWhileRevalidate: false,
  recordDetails: false,
};

const USUAL_POLL = 2500;

export async function openCouchbase(
  target: CouchbaseTarget,
  given: CouchbaseOptions,
  transcoder: Transcoder,
  bases: Bases,
  slow: SlowOperations | undefined,
): Promise<Engine> {
  const options = resolveClientOptions(given, true);
  const readyBy = performanceNow() + options.connectTimeout;
  const timeLeft = (): number => Math.max(1, Math.ceil(readyBy - performanceNow()));
  const { connectTimeout, tls } = options;
  const { bucket } = target;
  if (bucket === undefined)
    throw invalidArgument('url', 'url: the path names no bucket: couchbase://host/bucket');
  const network = checkNetwork(given.network);
  const asked = checkMechanism('mechanism', given.mechanism);
  const safety = { isEncrypted: tls !== undefined, isVerified: tls?.rejectUnauthorized === true };
  const usable = mechanismsFor(safety, asked);
  const credentials = checkCredentials(given);
  const pollInterval = pollOf(given.pollInterval);
  const wire = wireOf(credentials, usable, bucket);
  const where = Management.check(bases.managementBase);
  if (where instanceof EventBase && where.closed)
    throw invalidArgument('managementBase', 'managementBase is closed');
  const eventBase = bases.eventBase();
  const management = new Management(where, eventBase);
  const ending = new AbortController();
  const asking = { wire, tls, management, signal: ending.signal };
  const configurations = new Configurations({ bucket, network, isEncrypted: tls !== undefined });
  const ask = askForConfiguration(asking);
  let monitor: ConfigMonitor | undefined;
  const end = (): Promise<void> => {
    ending.abort(new ClosedError('the database is closed'));
    monitor?.close();
    return management.close();
  };
  let fleet: Fleet;
  const onBaseClosed = (): void => monitor?.close(new ClosedError('the event base is closed'));
  eventBase.ref();
  try {
    eventBase.attach(onBaseClosed);
    // A silent DNS server leaves time for the hosts themselves.
    const seeds = await findSeeds(target, resolveSrv, management, Math.ceil(connectTimeout / 2));
    monitor = new ConfigMonitor(configurations, ask, management, {
      seeds,
      pollInterval,
      timeout: connectTimeout,
    });
    await monitor.first(timeLeft());
    fleet = new Fleet(tableOf(configurations).servers, {
      placement: () => ({ kind: 'partitions', ...tableOf(configurations) }),
      deadServer: 'fail',
      ejectAfter: 1,
    });
  } catch (error) {
    await end();
    throw error;
  } finally {
    eventBase.release(onBaseClosed);
    eventBase.unref();
  }
  const ids = new CollectionIds(askForCollection(asking, configurations, connectTimeout));
  let { uuid } = configurations.current?.map.bucket ?? {};
  configurations.listen(({ map: { bucket: next } }) => {
    if (next?.uuid !== uuid) ids.clear();
    uuid = next?.uuid;
    fleet.set(tableOf(configurations).servers);
  });
  const documents = new Bucket(bucket, configurations, monitor, ids, management);
  const dialect = couchbaseDialect(wire, documents);
  const resolver = new Resolver(fleet, management, options.resolveInterval);
  return {
    capabilities: CAPABILITIES,
    drainTimeout: options.timeout,
    tellsSlowOperations: true,
    readyBy,
    createTransport: (base: EventBase): Transport =>
      new NativeTransport(base, fleet, dialect, options, transcoder, management, slow),
    close: () => {
      resolver.close();
      return end();
    },
  };
}

/** With PLAIN all is said at once; by SCRAM each connection has a dialog of its own. */
function wireOf(credentials: Credentials | undefined, usable: readonly Mechanism[], bucket: string): Wire {
  const wire = { name: 'couchbase', protocol: layout.PROTOCOL_COUCHBASE };
  if (credentials === undefined || usable[0] === 'PLAIN')
    return { ...wire, handshake: plainHandshake(credentials, bucket) };
  const passwords = new SaltedPasswords(credentials.password);
  const dialog = () => new ScramDialog(credentials, passwords, usable, bucket);
  return { ...wire, handshake: scramHandshake(bucket), dialog };
}

function pollOf(given: number = USUAL_POLL): number {
  return given === Number.POSITIVE_INFINITY ? given : checkTimeout(given, 'pollInterval');
}

const tableOf = ({ current }: Configurations): RoutingTable => routingTableOf(current as ClusterState);
