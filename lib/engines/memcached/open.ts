import { invalidArgument, shown } from '../../arguments';
import type { ServerAddress } from '../../cluster/connection-string';
import { Endpoint } from '../../cluster/endpoint';
import type { EventBase } from '../../event-base/event-base';
import type { Transcoder } from '../../transactions/transcoder';
import type { Capabilities, Engine, Transport } from '../engine';
import { type ClientOptions, resolveClientOptions } from '../network/options';
import { NativeTransport } from '../network/transport';
import { type MemcachedProtocol, memcachedDialect, PROTOCOLS } from './dialect';

export interface MemcachedOptions extends ClientOptions {
  /**
   * What the server is spoken to in. 'binary' is understood by all servers; 'meta' is text, by memcached from 1.6.18, and
   * takes keys with spaces and control characters of up to 186 bytes. Default 'binary'.
   */
  readonly protocol?: MemcachedProtocol | undefined;
}

const CAPABILITIES: Capabilities = {
  engine: 'memcached',
  transactions: false,
  events: false,
  durability: false,
  subDocument: false,
  backup: false,
  topology: true,
};

export function openMemcached(
  servers: readonly ServerAddress[],
  given: MemcachedOptions,
  transcoder: Transcoder,
): Engine {
  const server = servers[0];
  if (server === undefined) throw invalidArgument('url', 'url names no server');
  const options = resolveClientOptions(given);
  const { protocol = 'binary' } = given;
  if (!Object.hasOwn(PROTOCOLS, protocol))
    throw invalidArgument('protocol', `protocol is 'binary' or 'meta', not ${shown(protocol)}`);
  const dialect = memcachedDialect(protocol);
  const endpoint = new Endpoint(server);
  return {
    capabilities: CAPABILITIES,
    drainTimeout: options.timeout,
    createTransport: (base: EventBase): Transport =>
      new NativeTransport(base, endpoint, dialect, options, transcoder),
    close: async () => {},
  };
}
