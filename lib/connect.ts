import { checkFlag, checkOptions, invalidArgument } from './arguments';
import { parseConnectionString } from './cluster/connection-string';
import { Endpoint } from './cluster/endpoint';
import { Database } from './database';
import type { Capabilities, Transport } from './engines/engine';
import { type ClientOptions, resolveClientOptions } from './engines/memcached/options';
import { MemcachedTransport } from './engines/memcached/transport';
import { UnsupportedError } from './errors';
import { EventBase } from './event-base/event-base';
import { commonFlagsTranscoder, type Transcoder } from './transactions/transcoder';

export interface ConnectOptions extends ClientOptions {
  /** Where operations run that name no base. Default EventBase.host. */
  readonly eventBase?: EventBase;
  /** Where the cluster is managed. A single memcached server has nothing to manage: only 'shared' is taken for now. */
  readonly managementBase?: 'shared';
  /** true: resolve at once and connect behind the scenes; operations wait within their deadlines. Default false. */
  readonly lazy?: boolean;
  /** How values become bytes. Default: strings, Buffers and JSON under Couchbase's common flags. */
  readonly transcoder?: Transcoder;
}

const MEMCACHED: Capabilities = {
  engine: 'memcached',
  transactions: false,
  events: false,
  durability: false,
  subDocument: false,
};

/**
 * Opens a database: `memcached://host:port`, `memcached:///path/of/socket`.
 *
 * Resolves when the server has answered a handshake. Rejects with ConnectionError when it has not within
 * `connectTimeout`, with InvalidArgumentError for a bad url or option, with UnsupportedError for what is not there.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Database> {
  checkOptions(options);
  const { servers } = parseConnectionString(url);
  const server = servers[0];
  if (server === undefined) throw invalidArgument('url', 'url names no server');
  const settings = resolveClientOptions(options);
  const { lazy = false, managementBase = 'shared', transcoder = commonFlagsTranscoder } = options;
  checkFlag('lazy', lazy);
  if (managementBase !== 'shared') {
    throw new UnsupportedError("memcached: managementBase other than 'shared'", {
      context: { argument: 'managementBase' },
    });
  }
  if (typeof transcoder?.encode !== 'function' || typeof transcoder.decode !== 'function') {
    throw invalidArgument('transcoder', 'transcoder has the functions encode and decode');
  }
  const eventBase =
    options.eventBase === undefined ? EventBase.host : EventBase.check(options.eventBase, 'eventBase');
  const endpoint = new Endpoint(server);
  const createTransport = (base: EventBase): Transport =>
    new MemcachedTransport(base, endpoint, settings, transcoder);
  const transport = createTransport(eventBase);
  const ready = transport.ready();
  if (lazy) {
    ready.catch(() => {}); // operations tell, each within its deadline
  } else {
    try {
      await ready;
    } catch (error) {
      await transport.close(settings.timeout);
      throw error;
    }
  }
  return new Database({
    eventBase,
    transport,
    createTransport,
    capabilities: MEMCACHED,
    drainTimeout: settings.timeout,
  });
}
