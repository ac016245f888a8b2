import type { TlsOptions } from 'node:tls';
import type { Credentials } from './credentials';
import type { FaultRule } from './faults';
import type { ReceivedChunk, ReceivedCommand } from './recording';

export type ServerProtocol = 'binary' | 'text' | 'meta';

/** How old a server is, or seems. */
export interface ServerAge {
  /** What it says of itself; at first '1.6.18-evenkeel'. */
  readonly version?: string | undefined;
  /**
   * What it understands; at first all three, 'meta' only with 'text'. Without 'meta' it is as memcached before 1.6, of 'binary'
   * alone as with `-S` (text is met with silence, or with the end of the connection from 24 bytes on), without it as with
   * `-B ascii`.
   */
  readonly protocols?: readonly ServerProtocol[] | undefined;
}

/** How a server is started. Times are milliseconds, sizes bytes. */
export interface ServerOptions extends ServerAge {
  /** TCP port; default: a free one. */
  readonly port?: number | undefined;
  /** Address to bind to; default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Listens on this unix socket instead of TCP. */
  readonly path?: string | undefined;
  /** Runs in a worker thread of its own, so that a busy client does not slow the server down. */
  readonly worker?: boolean | undefined;
  /** Keeps everything received for `received()` and `commands()`; off by default. */
  readonly record?: boolean | undefined;
  /** Largest item, counted as memcached counts (key, value and about 60 bytes); default 1 MiB. Larger: status 0x03. */
  readonly maxItemBytes?: number | undefined;
  /** Beyond this much, counted the same way, the least recently used items are evicted; default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** Open connections; further ones are told so, and ended, as memcached does. Default 1024. */
  readonly maxConnections?: number | undefined;
  /**
   * Nobody else may give commands: a text or meta connection begins as with `memcached -Y`, by a `set` of any key whose
   * value is `username password`, a binary one with SASL PLAIN as with `memcached -S`.
   */
  readonly credentials?: Credentials | undefined;
  /**
   * TLS, with the options of `tls.createServer` of Node: `key` and `cert` at least. The faults `reset` and `silent` of new
   * connections strike before the handshake. Not with `path`; with `worker` only what structured clone can carry.
   */
  readonly tls?: TlsOptions | undefined;
  /** Milliseconds since the Unix epoch, for expiry; default `Date.now`. Not with `worker`. */
  readonly clock?: (() => number) | undefined;
}

export interface StopOptions {
  /** End open connections with RST instead of FIN. */
  readonly reset?: boolean | undefined;
}

export interface RestartOptions extends StopOptions, ServerAge {
  /** The items survive, as if the network had been cut instead of the server killed; default false. */
  readonly keepData?: boolean | undefined;
}

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
  readonly secure: boolean;
}

/** What whatever listens can be told, from its own thread or another one: arguments and results survive structured clone. */
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

/** What a memcached server can be told. */
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
