import { checkFunction, checkOptions, checkTimeout, invalidArgument, optionNames } from './arguments';
import type { BackupOptions } from './backup';
import type { Server } from './cluster/fleet';
import type { Topology, TopologyListener } from './cluster/topology';
import type { Capabilities, Engine, Transport } from './engines/engine';
import { ClosedError, UnsupportedError } from './errors';
import { EventBase, type Registration } from './event-base/event-base';
import type { Events } from './events/events';
import type { Hooks } from './events/hooks';
import type { EventMode } from './events/types';
import { type IdleOptions, idle } from './idle';
import type { OperationTrace } from './observability/channels';
import type { SlowOperations } from './observability/slow-operations';
import type { DatabaseStats } from './observability/stats';
import { SchedulingContext } from './scheduling/context';
import type { ClassDefinition } from './schema/class';
import {
  type Ask,
  type AskOptions,
  type FlushAllOptions,
  flushAll,
  type ServerStats,
  type ServerStatsOptions,
  serverStats,
  serverVersions,
} from './servers';
import { Side } from './side';
import { traced } from './stacks';
import { type CollectionView, ScopeView } from './transactions/collection';
import { DEFAULT_NAME } from './transactions/documents';
import type { WriteAdditions } from './transactions/durability';
import type { PartialResult } from './transactions/gathering';
import type { Loader, LoadOptions } from './transactions/load-options';
import type { PreparedTransaction, PrepareOptions } from './transactions/prepared';
import type { Records } from './transactions/records';
import { TRANSACTION_NAMES, type Transaction, type TransactionOptions } from './transactions/transaction';
import { Transactions } from './transactions/transactions';

/** The results of what a scheduling function returned: of each element of an array, or of the single value. */
export type Scheduled<R> = R extends readonly unknown[]
  ? { -readonly [K in keyof R]: Awaited<R[K]> }
  : Awaited<R>;

/** A database as seen from one event base: its operations start and complete there. */
export class BaseView<
  Classes extends readonly ClassDefinition[] = readonly ClassDefinition[],
  Mode extends EventMode = undefined,
  Also extends WriteAdditions = WriteAdditions,
> extends Transactions<Also> {
  readonly #side: Side;

  constructor(side: Side) {
    super(side.target);
    this.#side = side;
  }

  /** What the engine can do. */
  get capabilities(): Capabilities {
    return this.#side.capabilities;
  }

  get eventBase(): EventBase {
    return this.#side.eventBase;
  }

  /**
   * The servers and their states as this event base currently sees them; each event base has its own connections.
   * UnsupportedError on engines without servers.
   */
  get topology(): Topology {
    return this.#side.topology.current;
  }

  /**
   * Calls back with the topology after the state of a server has changed: connected, lost, closed. UnsupportedError on
   * engines without servers.
   */
  onTopology(listener: TopologyListener): Registration {
    const { topology } = this.#side;
    checkFunction('listener', listener);
    return topology.listen(listener);
  }

  /**
   * Resolves to the stored value. When it is missing or stale, calls `loader` and stores the result. Of all processes
   * that find the value missing or stale at the same time, one loads it. The others get the stale value or, when there
   * is none, wait for the new one within their timeouts.
   *
   * The loaded value is returned as get() would return it; undefined is not stored. The call rejects with the error of
   * its loader. A loader continues after its callers have given up, because other callers and the server wait for the
   * value. UnsupportedError without memcached's meta protocol.
   */
  getOrLoad<T>(key: string, loader: Loader<T>, options: LoadOptions<T>): Promise<T | undefined> {
    const { loads, outcome } = this.#side;
    return outcome(this.#side.observed('getOrLoad', () => loads.getOrLoad(key, loader, options), key));
  }

  /**
   * A snapshot of what this event base has done for the database: calls, bytes, latencies and faults of each server,
   * and what is queued and under way now. It is synchronous and costs a few microseconds a server.
   */
  stats(): DatabaseStats {
    return this.#side.stats();
  }

  /** A scope of the bucket. UnsupportedError on engines without scopes. */
  scope(name: string): ScopeView {
    return new ScopeView(this.#side.target, name);
  }

  /**
   * A collection of the default scope. UnsupportedError on engines without collections, InvalidArgumentError
   * (`collection`) for an invalid name.
   */
  collection(name: string): CollectionView {
    return this.scope(DEFAULT_NAME).collection(name);
  }

  /**
   * The classes of the database: those it was opened with and those already stored in it. Empty on engines without
   * classes.
   */
  get classes(): Classes {
    return this.#side.classes as unknown as Classes;
  }

  /** The events of the database. UnsupportedError on engines without events. */
  get events(): Events<Classes, Mode> {
    return this.#side.events as unknown as Events<Classes, Mode>;
  }

  /** Functions that may refuse a change before it is made. UnsupportedError on engines without hooks. */
  get hooks(): Hooks<Classes> {
    return this.#side.hooks as unknown as Hooks<Classes>;
  }

  /** The records of a class. UnsupportedError on engines without classes. */
  records<C extends Classes[number]>(definition: C): Records<C> {
    return this.#side.recordsOf(definition);
  }

  /**
   * Runs `fn` with a transaction and commits it when `fn` has returned, all or nothing. An error thrown by `fn` rolls
   * it back. `fn` runs again when others have changed what it writes, so its other side effects may happen more than
   * once. Rejects with ConflictError after too many conflicts. UnsupportedError on engines without transactions.
   */
  async transaction<R>(
    fn: (transaction: Transaction) => Promise<R> | R,
    options: TransactionOptions = {},
  ): Promise<R> {
    const start = async (): Promise<R> => {
      checkOptions(options, TRANSACTION_NAMES);
      return this.#side.multiRecord('transactions').transaction(fn, options);
    };
    return this.#side.outcome(this.#side.observed('transaction', start));
  }

  /**
   * Runs `fn` as transaction() does, then writes and checks its changes without committing them. The result is
   * committed or rolled back later, and that commit cannot fail with a conflict. Until then the changes are invisible
   * and no other write can proceed. UnsupportedError on engines without transactions.
   */
  async prepare<R>(
    fn: (transaction: Transaction) => Promise<R> | R,
    options: PrepareOptions = {},
  ): Promise<PreparedTransaction<R>> {
    const start = async (): Promise<PreparedTransaction<R>> => {
      checkOptions(options, TRANSACTION_NAMES);
      return this.#side.multiRecord('transactions').prepare(fn, options);
    };
    return this.#side.outcome(this.#side.observed('prepare', start));
  }

  /**
   * Removes expired records now instead of waiting for the sweeper or the next write. Resolves to their number.
   * UnsupportedError on engines whose servers expire records themselves.
   */
  async expireNow(): Promise<number> {
    const start = async (): Promise<number> => this.#side.multiRecord('expireNow').expireNow();
    return this.#side.outcome(this.#side.observed('expireNow', start));
  }

  /** Opens a scheduling context. If it is dropped without leave() or fail(), its promises stay pending. */
  enter(): SchedulingContext {
    const { transport, outcome, observer } = this.#side;
    return new SchedulingContext(transport, outcome, observer);
  }

  /**
   * Runs `fn` synchronously with a new scheduling context. Leaves the context when `fn` returns; fails it and rejects
   * with the error when `fn` throws. Resolves to the results of what `fn` returned.
   */
  async schedule<R>(fn: (context: SchedulingContext) => R): Promise<Scheduled<R>> {
    if (typeof fn !== 'function') throw invalidArgument('fn', 'fn is a function');
    const context = this.enter();
    let returned: R;
    try {
      returned = fn(context);
    } catch (error) {
      context.fail();
      throw error;
    }
    context.leave();
    return (Array.isArray(returned) ? await Promise.all(returned) : await returned) as Scheduled<R>;
  }

  /** Sends the operations that wait for it; only needed with `implicitFlush: false`. */
  flush(): void {
    this.#side.transport.flush();
  }

  /**
   * Resolves when nothing is under way on this event base: no operation (including those that wait for flush()) and no
   * transaction (including prepared ones). Event handlers and operations staged in a scheduling context do not count.
   * close() ends the wait. Rejects with TimeoutError or with the signal's reason.
   */
  idle(options: IdleOptions = {}): Promise<void> {
    return this.#side.outcome(idle(() => [this.#side.transport], options));
  }

  /**
   * The servers' own statistics by server name, queried now. A failing server has an error instead. Rejects only for
   * `signal`. UnsupportedError on engines without servers.
   */
  serverStats(options: ServerStatsOptions = {}): Promise<PartialResult<ServerStats>> {
    return this.#ask('serverStats', serverStats, options);
  }

  /** The servers' versions by server name, queried now; otherwise like serverStats(). */
  serverVersions(options: AskOptions = {}): Promise<PartialResult<string>> {
    return this.#ask('serverVersions', serverVersions, options);
  }

  /**
   * Makes the servers drop all their records, including those of other clients, at once or after `delay` seconds.
   * Resolves to the servers that confirmed and the errors of the others, by name; rejects like serverStats().
   * UnsupportedError on engines without servers.
   */
  flushAll(options: FlushAllOptions = {}): Promise<PartialResult<true>> {
    return this.#ask('flushAll', flushAll, options);
  }

  #ask<O extends AskOptions, T>(op: string, ask: Ask<O, T>, options: O): Promise<PartialResult<T>> {
    const side = this.#side;
    const start = (trace?: OperationTrace): Promise<PartialResult<T>> => {
      const { servers } = side;
      const answers = ask(side.transport, servers, options);
      const [only, ...others] = options.server === undefined ? servers : [options.server];
      if (trace !== undefined && others.length === 0) trace.node = only;
      return answers;
    };
    return side.outcome(side.observed(op, start));
  }

  /**
   * The server's version from the latest handshake. Rejects with ConnectionError when there is no connection in time.
   */
  async version(): Promise<string> {
    await this.#side.transport.ready();
    return this.#side.transport.version() ?? '';
  }
}

export interface CloseOptions {
  /** How long operations under way may take to finish, in ms; the rest then reject with ClosedError. */
  readonly timeout?: number | undefined;
}

const CLOSE_NAMES = optionNames<CloseOptions>({ timeout: true });

/** A database, from connect(). Its own operations run on the event base given to connect(). */
export class Database<
  Classes extends readonly ClassDefinition[] = readonly ClassDefinition[],
  Mode extends EventMode = undefined,
  Also extends WriteAdditions = WriteAdditions,
> extends BaseView<Classes, Mode, Also> {
  readonly #engine: Engine;
  readonly #capturesStack: boolean;
  readonly #slow: SlowOperations | undefined;
  /**
   * The same object, when this layer has to time the calls; undefined when the engine reports slow operations itself.
   */
  readonly #timed: SlowOperations | undefined;
  readonly #sides = new Map<EventBase, { readonly side: Side; readonly view: unknown }>();
  #closing: Promise<void> | undefined;

  constructor(
    engine: Engine,
    eventBase: EventBase,
    transport: Transport,
    capturesStack: boolean,
    slow: SlowOperations | undefined,
  ) {
    const timed = engine.tellsSlowOperations ? undefined : slow;
    const side = new Side(engine.capabilities, eventBase, transport, capturesStack, timed);
    super(side);
    this.#slow = slow;
    this.#timed = timed;
    this.#engine = engine;
    this.#capturesStack = capturesStack;
    this.#sides.set(eventBase, { side, view: this });
  }

  /**
   * The database on another event base, with its own connections, created on the first call for that base. Throws
   * CrossThreadError for a base of another thread, ClosedError when the database or the base is closed.
   */
  via(base: EventBase): BaseView<Classes, Mode, Also> {
    EventBase.check(base);
    if (this.closed) throw new ClosedError('the database is closed');
    if (base.closed) throw new ClosedError('the event base is closed');
    const known = this.#sides.get(base);
    if (known !== undefined) return known.view as BaseView<Classes, Mode, Also>;
    const transport = this.#engine.createTransport(base);
    const side = new Side(this.capabilities, base, transport, this.#capturesStack, this.#timed);
    const view = new BaseView<Classes, Mode, Also>(side);
    // Closing a base has already ended everything that ran on it.
    for (const each of this.#sides.keys())
      if (each.closed && each !== this.eventBase) this.#sides.delete(each);
    this.#sides.set(base, { side, view });
    return view;
  }

  /**
   * Copies the database into a new directory, as of the start of the copy; the database stays usable. The copy is
   * either complete or absent. It is marked as a copy, so opening it for writing does not need `restored`.
   * InvalidArgumentError (`directory`) when the directory is not empty, StorageError when it cannot be written. close()
   * waits for it. UnsupportedError on engines without files.
   */
  async backup(directory: string, options: BackupOptions = {}): Promise<void> {
    if (this.#engine.backup === undefined)
      throw new UnsupportedError(`the ${this.capabilities.engine} engine has no backup`);
    if (this.closed) throw new ClosedError('the database is closed');
    return this.#engine.backup(directory, options);
  }

  /**
   * Replaces the list of servers for all event bases, each as `host[:port]` or an object. Servers that stay keep their
   * connections. Removed servers finish what is under way and are then disconnected. Keys may move to other servers.
   * InvalidArgumentError (`servers`) leaves everything unchanged. UnsupportedError on engines whose servers the user
   * does not choose.
   */
  setServers(servers: readonly (string | Server)[]): void {
    if (this.#engine.setServers === undefined)
      throw new UnsupportedError(`the ${this.capabilities.engine} engine has no servers to choose`);
    if (this.closed) throw new ClosedError('the database is closed');
    this.#engine.setServers(servers);
  }

  /** Like idle() of a view, for all event bases of the database together. */
  override idle(options: IdleOptions = {}): Promise<void> {
    const transports = () => [...this.#sides.values()].map(({ side }) => side.transport);
    const promise = idle(transports, options);
    return this.#capturesStack ? traced(promise) : promise;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Refuses new operations, gives those under way at most `timeout` ms to finish (default: the client's timeout),
   * rejects the rest with ClosedError, and resolves when all sockets are closed. A second call waits for the same end.
   */
  close(options: CloseOptions = {}): Promise<void> {
    checkOptions(options, CLOSE_NAMES);
    const timeout = options.timeout === undefined ? this.#engine.drainTimeout : checkTimeout(options.timeout);
    if (this.#closing === undefined) this.#closing = this.#close(timeout);
    else for (const { side } of this.#sides.values()) side.closeAgain();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeout: number): Promise<void> {
    const sides = [...this.#sides.values()].map(({ side }) => side);
    await Promise.all(sides.map((side) => side.close(timeout)));
    await this.#engine.close();
    this.#slow?.end();
  }
}
