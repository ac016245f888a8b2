import type { TlsOptions } from 'node:tls';
import type { Credentials } from './credentials';
import type { FaultRule } from './faults';
import type { ReceivedChunk, ReceivedCommand } from './recording';

export type ServerProtocol = 'binary' | 'text' | 'meta';

/** The version that a server simulates. */
export interface ServerAge {
  /** The version that it reports; initially '1.6.18-evenkeel'. */
  readonly version?: string | undefined;
  /**
   * The protocols that it understands; initially all three. 'meta' requires 'text'. Without 'meta' it behaves like
   * memcached before 1.6. With 'binary' alone it behaves as with `-S`: it ignores text, or closes the connection from
   * 24 bytes on. Without 'binary' it behaves as with `-B ascii`.
   */
  readonly protocols?: readonly ServerProtocol[] | undefined;
}

/** How to start a server. Times are in milliseconds, sizes in bytes. */
export interface ServerOptions extends ServerAge {
  /** The TCP port. Default: a free one. */
  readonly port?: number | undefined;
  /** The address to bind to. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** The path of a Unix socket to listen on instead of TCP. */
  readonly path?: string | undefined;
  /** true: runs in a separate worker thread, so that a busy client does not slow the server down. Default false. */
  readonly worker?: boolean | undefined;
  /** true: keeps everything received, for `received()` and `commands()`. Default false. */
  readonly record?: boolean | undefined;
  /**
   * The largest item, counted like memcached does (key, value and about 60 bytes); larger ones get status 0x03. Default
   * 1 MiB.
   */
  readonly maxItemBytes?: number | undefined;
  /** The total size, counted in the same way, above which the least recently used items are evicted. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /**
   * The maximum number of open connections; further ones get an error and are closed, as in memcached. Default 1024.
   */
  readonly maxConnections?: number | undefined;
  /**
   * Requires authentication. A text or meta connection starts, as with `memcached -Y`, with a `set` of any key whose
   * value is `username password`; a binary one with SASL PLAIN, as with `memcached -S`.
   */
  readonly credentials?: Credentials | undefined;
  /**
   * Enables TLS with the options of Node's `tls.createServer`: at least `key` and `cert`. The faults `reset` and
   * `silent` of new connections apply before the handshake. Not with `path`; with `worker` only values that can be
   * structured-cloned.
   */
  readonly tls?: TlsOptions | undefined;
  /** The time in milliseconds since the Unix epoch, for expiry. Default `Date.now`. Not with `worker`. */
  readonly clock?: (() => number) | undefined;
}

export interface StopOptions {
  /** true: closes open connections with RST instead of FIN. Default false. */
  readonly reset?: boolean | undefined;
}

export interface RestartOptions extends StopOptions, ServerAge {
  /** true: the items survive, as if the network had been cut instead of the server killed. Default false. */
  readonly keepData?: boolean | undefined;
}

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
  readonly secure: boolean;
}

/**
 * Operations of a listening endpoint, called from its own thread or another one: arguments and results can be
 * structured-cloned.
 */
export interface EndpointOperations {
  addFault(rule: FaultRule<string>): Promise<number>;
  removeFault(id: number): Promise<void>;
  faultHits(id: number): Promise<number>;
  waitForFaultHits(id: number, hits: number): Promise<void>;
  clearFaults(): Promise<void>;
  connections(): Promise<number>;
  waitForConnections(count: number): Promise<void>;
  waitForCommands(count: number): Promise<void>;
  received(): Promise<ReceivedChunk[]>;
  commands(): Promise<ReceivedCommand[]>;
  disconnectAll(options: StopOptions): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(options: StopOptions): Promise<void>;
}

/** Operations of a memcached server. */
export interface ServerOperations extends EndpointOperations {
  restart(options: RestartOptions): Promise<void>;
  flush(): Promise<void>;
  stats(): Promise<Record<string, string>>;
  close(): Promise<void>;
}

/** An object whose methods can be called from another thread. */
export type Operations<Of> = { [Name in keyof Of]: (...args: never[]) => Promise<unknown> };

/** Calls an operation by name: directly, or as a message to a worker. */
export type Call<Of extends Operations<Of>> = <Name extends keyof Of>(
  name: Name,
  ...args: Parameters<Of[Name]>
) => ReturnType<Of[Name]>;

/** Calls operations of an object in this thread. */
export function callsOf<Of extends Operations<Of>>(target: Of): Call<Of> {
  return (name, ...args) => {
    const operation: (...given: typeof args) => Promise<unknown> = target[name];
    return operation.apply(target, args) as ReturnType<Of[typeof name]>;
  };
}
