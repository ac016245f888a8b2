import { checkFlag, checkObject, checkOptions, invalidArgument, optionNames } from './arguments';
import { parseConnectionString } from './cluster/connection-string';
import { parseCouchbaseUrl } from './cluster/couchbase/connection-string';
import { type CredentialOptions, joinCredentials } from './cluster/credentials';
import { Database } from './database';
import { openCouchbase } from './engines/couchbase/open';
import type { CouchbaseOptions } from './engines/couchbase/options';
import { openEmbedded } from './engines/embedded/open';
import type { EmbeddedOptions } from './engines/embedded/options';
import type { Engine, Transport } from './engines/engine';
import type { Bases, ManagementBase } from './engines/management';
import { type MemcachedOptions, openMemcached } from './engines/memcached/open';
import type { ClientOptions } from './engines/network/options';
import { UnsupportedError } from './errors';
import { EventBase } from './event-base/event-base';
import type { EventMode } from './events/types';
import {
  resolveSlowOperations,
  SlowOperations,
  type SlowOperationsOptions,
} from './observability/slow-operations';
import type { ClassDefinition } from './schema/class';
import type { DurableWrites } from './transactions/durability';
import { commonFlagsTranscoder, type Transcoder } from './transactions/transcoder';

interface CommonOptions {
  /** The event base of operations that name none. Default EventBase.host. */
  readonly eventBase?: EventBase | undefined;
  /**
   * true: the stack of an error shows the call that it rejects. This costs about 1.5 microseconds a call. false: the
   * stack holds only the name and message, or the place where the error was created. Default false.
   */
  readonly captureStack?: boolean | undefined;
  /** Logs operations that take longer than a threshold, grouped into reports. Default: none. */
  readonly slowOperations?: SlowOperationsOptions | undefined;
  /** Converts values to bytes and back. Default: strings, Buffers and JSON under Couchbase's common flags. */
  readonly transcoder?: Transcoder | undefined;
}

export interface ConnectOptions extends MemcachedOptions, CommonOptions {
  /**
   * The event base of timers that belong to no operation: connecting, address lookups and discovery. 'shared': the
   * transactions' base. 'internal': a base that the database creates for itself. Or one of your own. Default 'shared'.
   */
  readonly managementBase?: ManagementBase | undefined;
  /**
   * true: resolve at once and connect in the background; operations wait for the connection within their deadlines.
   * Default false.
   */
  readonly lazy?: boolean | undefined;
}

/** A URL of the couchbase engine. */
export type CouchbaseUrl = `couchbase${'' | 's'}${'' | '+dnssrv'}:${string}`;

export interface EmbeddedConnectOptions<
  Classes extends readonly ClassDefinition[] = readonly ClassDefinition[],
  Mode extends EventMode = undefined,
> extends EmbeddedOptions<Mode>,
    CommonOptions {
  readonly classes?: Classes | undefined;
  /**
   * The event base of the sweeper's timer and of the watch for commits by other processes. 'shared': the transactions'
   * base. 'internal': a base that the database creates for itself. Or one of your own. Default 'shared'.
   */
  readonly managementBase?: ManagementBase | undefined;
}

export interface CouchbaseConnectOptions extends CouchbaseOptions, CommonOptions {
  /** As in ConnectOptions; also used for the connections that request configurations. */
  readonly managementBase?: ManagementBase | undefined;
}

const COMMON: Record<keyof CommonOptions | 'managementBase', true> = {
  eventBase: true,
  transcoder: true,
  captureStack: true,
  slowOperations: true,
  managementBase: true,
};
const CLIENT: Record<keyof ClientOptions | keyof CredentialOptions, true> = {
  timeout: true,
  connectTimeout: true,
  backoff: true,
  connectionsPerNode: true,
  resolveInterval: true,
  maxInFlight: true,
  maxQueued: true,
  maxQueuedBytes: true,
  offlineQueue: true,
  maxValueSize: true,
  silenceTimeout: true,
  implicitFlush: true,
  tls: true,
  username: true,
  password: true,
};
const MEMCACHED_NAMES = optionNames<ConnectOptions>({
  ...COMMON,
  ...CLIENT,
  lazy: true,
  protocol: true,
  placement: true,
  weights: true,
  deadServer: true,
  ejectAfter: true,
  discovery: true,
});
const COUCHBASE_NAMES = optionNames<CouchbaseConnectOptions>({
  ...COMMON,
  ...CLIENT,
  network: true,
  mechanism: true,
  pollInterval: true,
});
const EMBEDDED_NAMES = optionNames<EmbeddedConnectOptions>({
  ...COMMON,
  classes: true,
  events: true,
  durability: true,
  readOnly: true,
  mode: true,
  allowForeignOwner: true,
  snapshotWarning: true,
  restored: true,
  timeout: true,
  maxQueued: true,
  retention: true,
  sweeper: true,
  clock: true,
  onProgress: true,
});
const NAMES = { memcached: MEMCACHED_NAMES, embedded: EMBEDDED_NAMES, couchbase: COUCHBASE_NAMES };
const ALL_NAMES: ReadonlySet<string> = new Set(Object.values(NAMES).flatMap((names) => [...names]));

/**
 * Opens a database in this process: `embedded:` (temporary) or `embedded:///dir`, which is created if it does not
 * exist.
 *
 * Rejects with StorageError when the directory cannot be used, with SchemaMismatchError when the database holds a class
 * with a different definition, and with InvalidArgumentError for a bad URL or option.
 */
export function connect<
  const Classes extends readonly ClassDefinition[] = readonly [],
  const Mode extends EventMode = undefined,
>(
  url: `embedded:${string}`,
  options?: EmbeddedConnectOptions<Classes, Mode>,
): Promise<Database<Classes, Mode>>;
/**
 * Opens a bucket of a Couchbase cluster: `couchbase://host,host…/bucket`, or `couchbases:` for TLS; `user:password@`
 * (percent-encoded) may precede the hosts.
 *
 * Resolves when a host has sent the bucket's configuration and one server is connected. Rejects with ConnectionError
 * when that takes longer than `connectTimeout`, otherwise as for memcached.
 */
export function connect(
  url: CouchbaseUrl,
  options?: CouchbaseConnectOptions,
): Promise<Database<readonly ClassDefinition[], undefined, DurableWrites>>;
/**
 * Opens a database whose URL is known only at run time. Rejects with UnsupportedError for options that the URL's engine
 * does not have. The types are those of an embedded database; on other engines, classes and events throw
 * UnsupportedError.
 */
export function connect<
  Url extends string,
  const Classes extends readonly ClassDefinition[] = readonly ClassDefinition[],
  const Mode extends EventMode = undefined,
>(
  url: string extends Url ? Url : never,
  options: ConnectOptions | CouchbaseConnectOptions | EmbeddedConnectOptions<Classes, Mode>,
): Promise<Database<Classes, Mode>>;
/**
 * Opens a database: `memcached://host:port,host:port…`, `memcached:///path/of/socket`, or `memcacheds:` for TLS.
 * `user:password@` (percent-encoded) may precede the servers.
 *
 * Resolves when the server has answered the handshake; with several servers, when each has been tried and at least one
 * has answered. Rejects with ConnectionError when none has answered within `connectTimeout`, with AuthenticationError
 * when the server rejects the credentials or requires some, with InvalidArgumentError for a bad URL or option, and with
 * UnsupportedError for a feature that is not available.
 */
export function connect<Url extends string>(
  url: Url extends `embedded:${string}` | CouchbaseUrl ? never : Url,
  options?: ConnectOptions,
): Promise<Database>;
export async function connect(
  url: string,
  options:
    | ConnectOptions
    | CouchbaseConnectOptions
    | EmbeddedConnectOptions<readonly ClassDefinition[], EventMode> = {},
): Promise<Database> {
  checkObject(options, 'options');
  const target = isCouchbase(url)
    ? parseCouchbaseUrl(url, asksForTls(options as CouchbaseConnectOptions))
    : parseConnectionString(url);
  checkNames(target.engine, options);
  const { transcoder = commonFlagsTranscoder, captureStack = false } = options;
  if (typeof transcoder?.encode !== 'function' || typeof transcoder.decode !== 'function') {
    throw invalidArgument('transcoder', 'transcoder has the functions encode and decode');
  }
  checkFlag('captureStack', captureStack);
  const slowOptions = resolveSlowOperations(options.slowOperations);
  const slow = slowOptions && new SlowOperations(target.engine, slowOptions);
  if (target.engine === 'memcached') {
    const joined = joinCredentials(options as ConnectOptions, target.credentials);
    const given = encrypted(target.isEncrypted, joined);
    const open = (bases: Bases) => openMemcached(target.servers, given, transcoder, bases, slow);
    return connectOverNetwork(open, given, slow);
  }
  if (target.engine === 'couchbase') {
    const joined = joinCredentials(options as CouchbaseConnectOptions, target.credentials);
    const given = encrypted(target.isEncrypted, joined);
    const open = (bases: Bases) => openCouchbase(target, given, transcoder, bases, slow);
    return connectOverNetwork(open, given, slow);
  }
  const eventBase = baseOf(options);
  const { managementBase } = options;
  const bases = { eventBase, managementBase };
  const engine = await openEmbedded(target.path, options as EmbeddedOptions, transcoder, bases);
  return new Database(engine, eventBase, engine.createTransport(eventBase), captureStack, slow);
}

async function connectOverNetwork(
  open: (bases: Bases) => Promise<Engine>,
  options: Pick<ConnectOptions, 'lazy' | 'managementBase' | 'captureStack' | 'eventBase'>,
  slow: SlowOperations | undefined,
): Promise<Database> {
  const { lazy = false, managementBase, captureStack = false } = options;
  checkFlag('lazy', lazy);
  const engine = await open({ eventBase: () => baseOf(options), managementBase });
  const eventBase = baseOf(options);
  let transport: Transport | undefined;
  try {
    transport = engine.createTransport(eventBase);
    // A lazy transport connects by itself and does not keep the process alive. Connection errors surface in operations,
    // each within its deadline.
    if (!lazy) await transport.ready(engine.readyBy);
    return new Database(engine, eventBase, transport, captureStack, slow);
  } catch (error) {
    await transport?.close(engine.drainTimeout);
    await engine.close();
    throw error;
  }
}

const isCouchbase = (url: unknown): url is CouchbaseUrl =>
  typeof url === 'string' && /^couchbases?(\+dnssrv)?:/.test(url);

const asksForTls = ({ tls = false }: CouchbaseConnectOptions): boolean => tls !== false;

/** An option must not contradict the scheme of the URL. */
function encrypted<Options extends Pick<ConnectOptions, 'tls'>>(
  isEncrypted: boolean,
  options: Options,
): Options {
  if (!isEncrypted) return options;
  const { tls = true } = options;
  if (tls === false) throw invalidArgument('tls', 'tls is false, but the url requires encrypted connections');
  return { ...options, tls };
}

/** Options that only another engine has get an UnsupportedError rather than being reported as misspelled. */
function checkNames(engine: keyof typeof NAMES, options: object): void {
  const known = NAMES[engine];
  const foreign = Object.entries(options).filter(([name]) => ALL_NAMES.has(name) && !known.has(name));
  for (const [argument, value] of foreign)
    if (value !== undefined)
      throw new UnsupportedError(`the ${engine} engine has no option ${argument}`, { context: { argument } });
  checkOptions(options, new Set([...known, ...foreign.map(([name]) => name)]));
}

/** Called last, when no more argument can be refused, because the first access creates the host base. */
function baseOf({ eventBase }: CommonOptions): EventBase {
  return eventBase === undefined ? EventBase.host : EventBase.check(eventBase, 'eventBase');
}
