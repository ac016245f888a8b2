import { invalidArgument } from '../../arguments';
import type { ServerAddress } from '../../cluster/connection-string';
import { Endpoint } from '../../cluster/endpoint';
import type { EventBase } from '../../event-base/event-base';
import type { Transcoder } from '../../transactions/transcoder';
import type { Capabilities, Engine, Transport } from '../engine';
import { type ClientOptions, resolveClientOptions } from '../network/options';
import { NativeTransport } from '../network/transport';
import { MEMCACHED } from './dialect';

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
  given: ClientOptions,
  transcoder: Transcoder,
): Engine {
  const server = servers[0];
  if (server === undefined) throw invalidArgument('url', 'url names no server');
  const options = resolveClientOptions(given);
  const endpoint = new Endpoint(server);
  return {
    capabilities: CAPABILITIES,
    drainTimeout: options.timeout,
    createTransport: (base: EventBase): Transport =>
      new NativeTransport(base, endpoint, MEMCACHED, options, transcoder),
    close: async () => {},
  };
}
