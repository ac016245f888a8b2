import { invalidArgument, shown } from '../../arguments';
import type { ServerAddress } from '../../cluster/connection-string';
import { type CredentialOptions, checkCredentials } from '../../cluster/credentials';
import { type AskServer, Discoverer } from '../../cluster/discoverer';
import { checkServers, Fleet, type Server } from '../../cluster/fleet';
import type { PlacedServer } from '../../cluster/placement/placement';
import { Resolver } from '../../cluster/resolver';
import type { Tls } from '../../cluster/tls';
import { ClosedError, UnsupportedError } from '../../errors';
import { EventBase } from '../../event-base/event-base';
import type { SlowOperations } from '../../observability/slow-operations';
import type { Transcoder } from '../../transactions/transcoder';
import type { Capabilities, Engine, Transport } from '../engine';
import { type Bases, Management } from '../management';
import { type ClientOptions, resolveClientOptions } from '../network/options';
import { NativeTransport } from '../network/transport';
import { askConfig } from './config-request';
import { type MemcachedProtocol, memcachedDialect, WIRES } from './dialect';
import { discoveryIntervalOf, type FleetOptions, policyOf, weighted } from './fleet-options';

export interface MemcachedOptions extends ClientOptions, FleetOptions, CredentialOptions {
  /**
   * The protocol. 'binary': supported by almost all servers. 'meta': a text protocol, supported by memcached 1.6.18 and
   * newer, which allows spaces and control characters in keys of up to 186 bytes. 'auto': detected for each server,
   * preferring 'meta', or 'binary' when there is a password. Default 'auto'.
   */
  readonly protocol?: MemcachedProtocol | undefined;
}

/** `hasMeta` is called each time, because the answer may change with the servers. */
const capabilitiesOf = (hasMeta: () => boolean): Capabilities => ({
  engine: 'memcached',
  transactions: false,
  events: false,
  durability: false,
  collections: false,
  subDocument: false,
  backup: false,
  topology: true,
  get staleWhileRevalidate() {
    return hasMeta();
  },
  get recordDetails() {
    return hasMeta();
  },
});

export async function openMemcached(
  servers: readonly ServerAddress[],
  given: MemcachedOptions,
  transcoder: Transcoder,
  bases: Bases,
  slow: SlowOperations | undefined,
): Promise<Engine> {
  const interval = discoveryIntervalOf(given);
  const isFleet = servers.length > 1 || interval !== undefined;
  const options = resolveClientOptions(given, isFleet ? 'until-down' : true);
  const { protocol = 'auto' } = given;
  if (!Object.hasOwn(WIRES, protocol))
    throw invalidArgument('protocol', `protocol is 'auto', 'binary' or 'meta', not ${shown(protocol)}`);
  const credentials = checkCredentials(given);
  const dialect = memcachedDialect(protocol, credentials);
  const named = (list: readonly PlacedServer[]): readonly PlacedServer[] => checkNames(list, options.tls);
  const policy = policyOf(given);
  const listed = named(weighted(servers, given.weights));
  const where = Management.check(bases.managementBase);
  if (where instanceof EventBase && where.closed)
    throw invalidArgument('managementBase', 'managementBase is closed');
  const eventBase = bases.eventBase();
  const management = new Management(where, eventBase);
  const request = { tls: options.tls, credentials, timeout: options.connectTimeout };
  const ask: AskServer = (server, signal) => askConfig(server, request, management, signal);
  const discoverer = interval === undefined ? undefined : new Discoverer(servers, ask, management, interval);
  let fleet: Fleet;
  const onBaseClosed = (): void => discoverer?.close(new ClosedError('the event base is closed'));
  eventBase.ref();
  try {
    eventBase.attach(onBaseClosed);
    fleet = new Fleet(discoverer === undefined ? listed : named(await discoverer.first()), policy);
  } catch (error) {
    await management.close();
    throw error;
  } finally {
    eventBase.release(onBaseClosed);
    eventBase.unref();
  }
  discoverer?.follow((found) => fleet.set(named(found)));
  const resolver = new Resolver(fleet, management, options.resolveInterval);
  return {
    capabilities: capabilitiesOf(
      () => protocol === 'meta' || fleet.map.members.every(({ name }) => fleet.wireOf(name) === 'meta'),
    ),
    drainTimeout: options.timeout,
    tellsSlowOperations: true,
    createTransport: (base: EventBase): Transport =>
      new NativeTransport(base, fleet, dialect, options, transcoder, management, slow),
    setServers: (list: readonly (string | Server)[]): void => {
      if (discoverer !== undefined)
        throw new UnsupportedError(
          'setServers: with discovery the servers are those that the endpoint tells',
        );
      fleet.set(named(checkServers(list)));
    },
    close: () => {
      discoverer?.close();
      resolver.close();
      return management.close();
    },
  };
}

/** A certificate cannot be issued for the path of a socket. */
function checkNames(servers: readonly PlacedServer[], tls: Tls | undefined): readonly PlacedServer[] {
  const isNameless = (server: PlacedServer): boolean => 'path' in server;
  if (tls?.rejectUnauthorized && tls.servername === undefined && servers.some(isNameless))
    throw invalidArgument('tls', 'tls.servername is missing: a path has no name that a certificate is for');
  return servers;
}
