import { join } from 'node:path';
import { urlOfSocket } from '../cluster/addresses';
import { checkRestartOptions, checkServerOptions, checkStopOptions } from './checks';
import {
  type Address,
  type Call,
  callsOf,
  type RestartOptions,
  type ServerOperations,
  type ServerOptions,
  type StopOptions,
} from './operations';
import { Opcode, type OpcodeName } from './protocol';
import { Remote } from './remote';
import { LocalServer } from './server';
import { TestEndpoint } from './test-endpoint';

/**
 * A memcached server for tests: the binary, text and meta protocols on one port, with the commands and error texts of
 * memcached 1.6 and with scriptable faults. The first byte of a connection selects its protocol; all of them share the
 * same items. The server runs in this thread or in a worker.
 */
export class TestServer extends TestEndpoint<OpcodeName> implements AsyncDisposable {
  /** The server's URL: `memcached://host:port` (`memcacheds://` with TLS), or `memcached:///path` for a Unix socket. */
  readonly url: string;
  readonly host: string;
  /** The TCP port; 0 for a Unix socket. restart() keeps it. */
  readonly port: number;
  readonly path: string | undefined;
  readonly #call: Call<ServerOperations>;
  readonly #close: () => Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(address: Address, call: Call<ServerOperations>, close: () => Promise<void>) {
    super(call, Opcode);
    this.host = address.host;
    this.port = address.port;
    this.path = address.path;
    const host = address.host.includes(':') ? `[${address.host}]` : address.host;
    const scheme = address.secure ? 'memcacheds' : 'memcached';
    this.url = address.path === undefined ? `${scheme}://${host}:${address.port}` : urlOfSocket(address.path);
    this.#call = call;
    this.#close = close;
  }

  /** Stops listening and closes every connection, until `restart`. */
  async stop(options: StopOptions = {}): Promise<void> {
    checkStopOptions(options);
    return this.#call('stop', options);
  }

  /** Stops, if still running, and listens on the same address again. Without `keepData` all items are gone. */
  async restart(options: RestartOptions = {}): Promise<void> {
    checkRestartOptions(options);
    return this.#call('restart', options);
  }

  /** Removes all items. */
  flush(): Promise<void> {
    return this.#call('flush');
  }

  /** The general group of STAT, as in the answer to the command. */
  stats(): Promise<Record<string, string>> {
    return this.#call('stats');
  }

  /** Closes the server for good; may be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Starts a server. Rejects with InvalidArgumentError for an invalid option, otherwise with the error of node:tls or of
 * the listening socket, such as `code` EADDRINUSE.
 */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  checkServerOptions(options);
  if (options.worker) {
    const entry = join(__dirname, 'worker.js');
    const { remote, started } = await Remote.start<ServerOperations, Address>(entry, options);
    return new TestServer(started, remote.call, () => remote.close());
  }
  const server = await LocalServer.start(options);
  return new TestServer(server.address, callsOf<ServerOperations>(server), () => server.close());
}
