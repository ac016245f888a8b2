import { checkOptions, checkSignal, checkTimeout, invalidArgument, optionNames, shown } from './arguments';
import type { Transport } from './engines/engine';
import { BackpressureError, type EvenkeelError } from './errors';
import { onAbort, reasonOf } from './transactions/abort';
import type { PartialResult } from './transactions/gathering';
import { type Collector, type Details, details, Kind, Operation } from './transactions/operation';
import type { OperationOptions } from './transactions/options';

/** Options of queries to the servers themselves. */
export interface AskOptions extends OperationOptions {
  /**
   * The name of the server to query, as in the topology (`host:port` or the path of its socket). Default: all servers.
   */
  readonly server?: string | undefined;
}

export interface ServerStatsOptions extends AskOptions {
  /**
   * A group of memcached's statistics: 'items', 'slabs', 'settings', … Default: the general ones. Names that memcached
   * takes as commands ('reset', 'detail', 'sizes_enable', 'sizes_disable') are refused.
   */
  readonly group?: string | undefined;
}

export interface FlushAllOptions extends AskOptions {
  /** Seconds from now, an integer up to 30 days. Default 0: at once. */
  readonly delay?: number | undefined;
}

/** The statistics as the server reports them, by name. */
export type ServerStats = Readonly<Record<string, string>>;

const ASK = { timeout: true, signal: true, server: true } as const;
const ASK_NAMES = optionNames<AskOptions>(ASK);
const STATS_NAMES = optionNames<ServerStatsOptions>({ ...ASK, group: true });
const FLUSH_NAMES = optionNames<FlushAllOptions>({ ...ASK, delay: true });
// memcached's process_bin_stat() compares only these characters.
const COMMAND = /^(reset|detail|sizes_enable|sizes_disable)/;
const LONGEST_DELAY = 30 * 24 * 60 * 60;

type Servers = readonly string[];

/** Queries those of the servers that `options` selects. Throws what the call should throw. */
export type Ask<O, T> = (transport: Transport, servers: Servers, options: O) => Promise<PartialResult<T>>;

export function serverStats(
  transport: Transport,
  servers: Servers,
  options: ServerStatsOptions,
): Promise<PartialResult<ServerStats>> {
  checkOptions(options, STATS_NAMES);
  const { group = '' } = options;
  if (typeof group !== 'string' || !/^[\w:.-]{0,100}$/.test(group))
    throw invalidArgument('group', `group is a word, not ${shown(group)}`);
  if (COMMAND.test(group))
    throw invalidArgument('group', `group ${shown(group)} is a command that changes the server`);
  return ask(transport, servers, options, Kind.serverStats, group);
}

export function flushAll(
  transport: Transport,
  servers: Servers,
  options: FlushAllOptions,
): Promise<PartialResult<true>> {
  checkOptions(options, FLUSH_NAMES);
  const { delay = 0 } = options;
  if (!Number.isInteger(delay) || delay < 0 || delay > LONGEST_DELAY)
    throw invalidArgument(
      'delay',
      `delay is a whole number of seconds from 0 to ${LONGEST_DELAY}, not ${shown(delay)}`,
    );
  return ask(transport, servers, options, Kind.flushAll, '', delay);
}

export function serverVersions(
  transport: Transport,
  servers: Servers,
  options: AskOptions,
): Promise<PartialResult<string>> {
  checkOptions(options, ASK_NAMES);
  return ask(transport, servers, options, Kind.serverVersions, '');
}

function ask<T>(
  transport: Transport,
  servers: Servers,
  { server, timeout, signal }: AskOptions,
  kind: Kind,
  argument: string,
  expiry = 0,
): Promise<PartialResult<T>> {
  if (server !== undefined && !servers.includes(server))
    throw invalidArgument('server', `server: there is no ${shown(server)} among ${servers.join(', ')}`);
  const common: Details = {
    ...details(),
    expiry,
    timeout: timeout === undefined ? undefined : checkTimeout(timeout),
  };
  const checked = signal === undefined ? undefined : checkSignal(signal);
  const asked = server === undefined ? servers : [server];
  if (checked?.aborted) return Promise.reject(reasonOf(checked));
  const answers = new Answers<T>(asked.length);
  const operations = asked.map(
    (name) => new Operation(kind, argument, undefined, { ...common, server: name }, answers),
  );
  // First, because all of them may fail at once.
  if (checked !== undefined)
    answers.whenOver = onAbort(checked, (reason) => {
      for (const each of operations) transport.cancel(each);
      answers.reject(reason);
    });
  try {
    for (const each of operations) submit(transport, each);
  } catch (error) {
    answers.whenOver();
    throw error;
  }
  return answers.promise;
}

function submit(transport: Transport, operation: Operation): void {
  try {
    transport.submit(operation);
  } catch (error) {
    if (!(error instanceof BackpressureError)) throw error;
    operation.fail(error);
  }
}

/** Collects the answers of several servers by name. */
class Answers<T> implements Collector {
  whenOver = (): void => {};
  reject: (reason: unknown) => void = () => {};
  readonly promise: Promise<PartialResult<T>>;
  readonly #result: PartialResult<T> = { values: new Map(), errors: new Map() };
  readonly #items = new Map<Operation, Items>();
  #resolve: (result: PartialResult<T>) => void = () => {};
  #awaited: number;

  constructor(count: number) {
    this.#awaited = count;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.reject = reject;
    });
  }

  add(operation: Operation, value: unknown): void {
    const items = operation.kind === Kind.serverStats ? this.#itemsOf(operation).stats : value;
    this.#result.values.set(nameOf(operation), items as T);
    this.#awaited -= 1;
    this.#checkEnd();
  }

  fail(operation: Operation, error: unknown): void {
    this.#result.errors.set(nameOf(operation), error as EvenkeelError);
    this.#awaited -= 1;
    this.#checkEnd();
  }

  addItem(operation: Operation, name: string, text: string): number {
    const items = this.#itemsOf(operation);
    items.stats[name] = text;
    items.bytes += name.length + text.length;
    return items.bytes;
  }

  /** The partial answer of a broken connection is dropped: another connection receives all of it. */
  #itemsOf(operation: Operation): Items {
    const known = this.#items.get(operation);
    if (known?.attempt === operation.attempts) return known;
    const items: Items = { attempt: operation.attempts, stats: Object.create(null), bytes: 0 };
    this.#items.set(operation, items);
    return items;
  }

  #checkEnd(): void {
    if (this.#awaited > 0) return;
    this.whenOver();
    this.#resolve(this.#result);
  }
}

interface Items {
  readonly attempt: number;
  readonly stats: Record<string, string>;
  bytes: number;
}

const nameOf = ({ details: detail }: Operation): string => detail?.server ?? '';
