import { urlOfSocket } from '../cluster/addresses';
import { checkCount, checkRestartOptions, checkServerOptions, checkStopOptions } from './checks';
import { checkFault } from './fault-check';
import type { FaultRule } from './faults';
import type { Address, Call, RestartOptions, ServerOptions, StopOptions } from './operations';
import type { ReceivedChunk, ReceivedCommand } from './recording';
import { RemoteServer } from './remote';
import { LocalServer } from './server';

/** A fault that has been set. */
export class FaultHandle {
  readonly #id: number;
  readonly #call: Call;

  constructor(id: number, call: Call) {
    this.#id = id;
    this.#call = call;
  }

  /** How often it has struck. */
  hits(): Promise<number> {
    return this.#call('faultHits', this.#id);
  }

  /** Resolves once it has struck `hits` times (default 1); rejects when the server is closed first. */
  async waitForHits(hits = 1): Promise<void> {
    checkCount('hits', hits);
    return this.#call('waitForFaultHits', this.#id, hits);
  }

  remove(): Promise<void> {
    return this.#call('removeFault', this.#id);
  }
}

/**
 * A memcached server for tests: the binary, the text and the meta protocol on one port, with the commands and error texts of
 * memcached 1.6 and faults that can be scripted. The first byte of a connection says which protocol it speaks; all of them see
 * the same items. The same type stands for a server in this thread and in a worker.
 */
export class TestServer implements AsyncDisposable {
  /** `host:port` address in `memcached://` form (`memcacheds://` with TLS), or `memcached:///path` for a unix socket. */
  readonly url: string;
  readonly host: string;
  /** TCP port, 0 with a unix socket. It stays the same over `restart`. */
  readonly port: number;
  readonly path: string | undefined;
  readonly #call: Call;
  readonly #close: () => Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(address: Address, call: Call, close: () => Promise<void>) {
    this.host = address.host;
    this.port = address.port;
    this.path = address.path;
    const host = address.host.includes(':') ? `[${address.host}]` : address.host;
    const scheme = address.secure ? 'memcacheds' : 'memcached';
    this.url = address.path === undefined ? `${scheme}://${host}:${address.port}` : urlOfSocket(address.path);
    this.#call = call;
    this.#close = close;
  }

  /** Sets a fault; of several that match a request the one set first strikes. Rejects with InvalidArgumentError for a malformed one. */
  async fault(rule: FaultRule): Promise<FaultHandle> {
    checkFault(rule);
    return new FaultHandle(await this.#call('addFault', rule), this.#call);
  }

  clearFaults(): Promise<void> {
    return this.#call('clearFaults');
  }

  /** Number of open connections. */
  connections(): Promise<number> {
    return this.#call('connections');
  }

  /** Resolves once exactly `count` connections are open; rejects when the server is closed first. */
  async waitForConnections(count: number): Promise<void> {
    checkCount('count', count);
    return this.#call('waitForConnections', count);
  }

  /** Resolves once `count` requests have been received since the start; needs no recording. */
  async waitForCommands(count: number): Promise<void> {
    checkCount('count', count);
    return this.#call('waitForCommands', count);
  }

  /** What each read brought, in order. Rejects without the `record` option. */
  async received(): Promise<ReceivedChunk[]> {
    const chunks = await this.#call('received');
    return chunks.map((chunk) => ({ ...chunk, bytes: asBuffer(chunk.bytes) }));
  }

  /** The requests received, in order. Rejects without the `record` option. */
  async commands(): Promise<ReceivedCommand[]> {
    const commands = await this.#call('commands');
    return commands.map((command) => ({
      ...command,
      key: asBuffer(command.key),
      extras: asBuffer(command.extras),
      value: asBuffer(command.value),
    }));
  }

  /** Ends every open connection; resolves when they are gone. */
  async disconnectAll(options: StopOptions = {}): Promise<void> {
    checkStopOptions(options);
    return this.#call('disconnectAll', options);
  }

  /** Stops reading: like a stopped process, connections still open (the kernel accepts them), nothing is answered. */
  pause(): Promise<void> {
    return this.#call('pause');
  }

  resume(): Promise<void> {
    return this.#call('resume');
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
    const { server, address } = await RemoteServer.start(options);
    return new TestServer(address, server.call, () => server.close());
  }
  const server = await LocalServer.start(options);
  const call: Call = (name, ...args) => {
    const operation = server[name] as (...given: typeof args) => ReturnType<Call>;
    return operation.apply(server, args) as ReturnType<(typeof server)[typeof name]>;
  };
  return new TestServer(server.address, call, () => server.close());
}

/** Buffers arrive from a worker as plain byte arrays. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
