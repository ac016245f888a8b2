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
 * A memcached server for tests: the binary, the text and the meta protocol on one port, with the commands and error texts of
 * memcached 1.6 and faults that can be scripted. The first byte of a connection says which protocol it speaks; all of them see
 * the same items. The same type stands for a server in this thread and in a worker.
 */
export class TestServer extends TestEndpoint<OpcodeName> implements AsyncDisposable {
  /** `host:port` address in `memcached://` form (`memcacheds://` with TLS), or `memcached:///path` for a unix socket. */
  readonly url: string;
  readonly host: string;
  /** TCP port, 0 with a unix socket. It stays the same over `restart`. */
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

  /** Stops listening and ends every connection. `restart` brings it back. */
  async stop(options: StopOptions = {}): Promise<void> {
    checkStopOptions(options);
    return this.#call('stop', options);
  }

  /** Stops, if it has not been stopped, and listens at the same address again. Without `keepData` it is empty. */
  async restart(options: RestartOptions = {}): Promise<void> {
    checkRestartOptions(options);
    return this.#call('restart', options);
  }

  /** Removes all items. */
  flush(): Promise<void> {
    return this.#call('flush');
  }

  /** The general group of STAT, as the command answers it. */
  stats(): Promise<Record<string, string>> {
    return this.#call('stats');
  }

  /** Ends the server for good; may be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Starts a server. Rejects with InvalidArgumentError for a bad option, with what node:tls or the listening socket says otherwise:
 * `code` EADDRINUSE, for example.
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
