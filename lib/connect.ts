import { checkFlag, checkObject, checkOptions, invalidArgument, optionNames } from './arguments';
import { parseConnectionString, type ServerAddress } from './cluster/connection-string';
import { joinCredentials } from './cluster/credentials';
import { Database } from './database';
import { openEmbedded } from './engines/embedded/open';
import type { EmbeddedOptions } from './engines/embedded/options';
import type { Transport } from './engines/engine';
import type { ManagementBase } from './engines/management';
import { type MemcachedOptions, openMemcached } from './engines/memcached/open';
import { UnsupportedError } from './errors';
import { EventBase } from './event-base/event-base';
import type { EventMode } from './events/types';
import {
  resolveSlowOperations,
  SlowOperations,
  type SlowOperationsOptions,
} from './observability/slow-operations';
import type { ClassDefinition } from './schema/class';
import { commonFlagsTranscoder, type Transcoder } from './transactions/transcoder';

interface CommonOptions {
  /** Where operations run that name no base. Default EventBase.host. */
  readonly eventBase?: EventBase | undefined;
  /**
   * true: errors show the call that they end in their stack, which costs each call about a microsecond and a half. Otherwise
   * their stack is their name and message, or shows where they were made. Default false.
   */
  readonly captureStack?: boolean | undefined;
  /** Has operations logged that take long, gathered in reports. Default: none. */
  readonly slowOperations?: SlowOperationsOptions | undefined;
  /** How values become bytes. Default: strings, Buffers and JSON under Couchbase's common flags. */
  readonly transcoder?: Transcoder | undefined;
}

export interface ConnectOptions extends MemcachedOptions, CommonOptions {
  /**
   * Where the timers of what belongs to no operation are, such as those of connecting, of asking for addresses and of
   * discovery: 'shared' (on the transactions' base), 'internal' (on one that the database makes for itself) or on one of
   * your own. Default 'shared'.
   */
  readonly managementBase?: ManagementBase | undefined;
  /** true: resolve at once and connect behind the scenes; operations wait within their deadlines. Default false. */
  readonly lazy?: boolean | undefined;
}

export interface EmbeddedConnectOptions<
  Classes extends readonly ClassDefinition[] = readonly ClassDefinition[],
  Mode extends EventMode = undefined,
> extends EmbeddedOptions<Mode>,
    CommonOptions {
  readonly classes?: Classes | undefined;
  /**
   * Where the sweeper's timer and the watch for commits of other processes are: 'shared' (the transactions' base),
   * 'internal' (one that the database makes for itself) or one of your own.
   */
  readonly managementBase?: ManagementBase | undefined;
}

const MEMCACHED_NAMES = optionNames<ConnectOptions>({
  eventBase: true,
  transcoder: true,
  captureStack: true,
  slowOperations: true,
  managementBase: true,
  lazy: true,
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
  protocol: true,
  placement: true,
  weights: true,
  deadServer: true,
  ejectAfter: true,
  discovery: true,
});
const EMBEDDED_NAMES = optionNames<EmbeddedConnectOptions>({
  eventBase: true,
  transcoder: true,
  captureStack: true,
  slowOperations: true,
  managementBase: true,
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
const ALL_NAMES: ReadonlySet<string> = new Set([...MEMCACHED_NAMES, ...EMBEDDED_NAMES]);

/**
 * Opens a database in this process: `embedded:` (temporary) or `embedded:///dir`, which is made if it is not there.
 *
 * Rejects with StorageError when the directory cannot be had, with SchemaMismatchError when classes are stored
 * otherwise, with InvalidArgumentError for a bad url or option.
 */
export function connect<
  const Classes extends readonly ClassDefinition[] = readonly [],
  const Mode extends EventMode = undefined,
>(
  url: `embedded:${string}`,
  options?: EmbeddedConnectOptions<Classes, Mode>,
): Promise<Database<Classes, Mode>>;
/**
 * Opens the database that a url names which is known at run time only. Options that the engine of the url does not have are an
 * UnsupportedError. The types are those of an embedded database: on another, classes and events throw UnsupportedError.
 */
export function connect<
  Url extends string,
  const Classes extends readonly ClassDefinition[] = readonly ClassDefinition[],
  const Mode extends EventMode = undefined,
>(
  url: string extends Url ? Url : never,
  options: ConnectOptions | EmbeddedConnectOptions<Classes, Mode>,
): Promise<Database<Classes, Mode>>;
/**
 * Opens a database: `memcached://host:port,host:port…`, `memcached:///path/of/socket`, or `memcacheds:` with TLS;
 * `user:password@` (percent-encoded) may stand before the servers.
 *
 * Resolves when the server has answered a handshake; of several, when each has been tried and one has answered. Rejects with ConnectionError when it has not within
 * `connectTimeout`, with AuthenticationError when it refuses the credentials or asks for some, with InvalidArgumentError for a bad url or option, with UnsupportedError for what is not there.
 */
export function connect<Url extends string>(
  url: Url extends `embedded:${string}` ? never : Url,
  options?: ConnectOptions,
): Promise<Database>;
export async function connect(
  url: string,
  options: ConnectOptions | EmbeddedConnectOptions<readonly ClassDefinition[], EventMode> = {},
): Promise<Database> {
  checkObject(options, 'options');
  const target = parseConnectionString(url);
  checkNames(target.engine, options);
  const { transcoder = commonFlagsTranscoder, captureStack = false } = options;
  if (typeof transcoder?.encode !== 'function' || typeof transcoder.decode !== 'function') {
    throw invalidArgument('transcoder', 'transcoder has the functions encode and decode');
  }
  checkFlag('captureStack', captureStack);
  const slowOptions = resolveSlowOperations(options.slowOperations);
  const slow = slowOptions && new SlowOperations(target.engine, slowOptions);
  if (target.engine === 'memcached') {
    const given = joinCredentials(options as ConnectOptions, target.credentials);
    return connectMemcached(target.servers, encrypted(target.isEncrypted, given), transcoder, slow);
  }
  const eventBase = baseOf(options);
  const { managementBase } = options;
  const bases = { eventBase, managementBase };
  const engine = await openEmbedded(target.path, options as EmbeddedOptions, transcoder, bases);
  return new Database(engine, eventBase, engine.createTransport(eventBase), captureStack, slow);
}

async function connectMemcached(
  servers: readonly ServerAddress[],
  options: ConnectOptions,
  transcoder: Transcoder,
  slow: SlowOperations | undefined,
): Promise<Database> {
  const { lazy = false, managementBase, captureStack = false } = options;
  checkFlag('lazy', lazy);
  const bases = { eventBase: () => baseOf(options), managementBase };
  const engine = await openMemcached(servers, options, transcoder, bases, slow);
  const eventBase = baseOf(options);
  let transport: Transport | undefined;
  try {
    transport = engine.createTransport(eventBase);
    // A lazy one connects by itself, without keeping the process alive: operations tell, each within its deadline.
    if (!lazy) await transport.ready();
    return new Database(engine, eventBase, transport, captureStack, slow);
  } catch (error) {
    await transport?.close(engine.drainTimeout);
    await engine.close();
    throw error;
  }
}

/** A url that says so is not contradicted by an option. */
function encrypted(isEncrypted: boolean, options: ConnectOptions): ConnectOptions {
  if (!isEncrypted) return options;
  const { tls = true } = options;
  if (tls === false)
    throw invalidArgument('tls', 'tls is false, and the url is one of encrypted connections');
  return { ...options, tls };
}

/** What only another engine has is no typing error. */
function checkNames(engine: 'memcached' | 'embedded', options: object): void {
  const known = engine === 'memcached' ? MEMCACHED_NAMES : EMBEDDED_NAMES;
  const foreign = Object.entries(options).filter(([name]) => ALL_NAMES.has(name) && !known.has(name));
  for (const [argument, value] of foreign)
    if (value !== undefined)
      throw new UnsupportedError(`the ${engine} engine has no option ${argument}`, { context: { argument } });
  checkOptions(options, new Set([...known, ...foreign.map(([name]) => name)]));
}

/** The host base is made when it is first asked for: last, when nothing can be refused any more. */
function baseOf({ eventBase }: CommonOptions): EventBase {
  return eventBase === undefined ? EventBase.host : EventBase.check(eventBase, 'eventBase');
}
