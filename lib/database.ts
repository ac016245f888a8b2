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
import type { PartialResult } from './transactions/gathering';
import type { Loader, LoadOptions } from './transactions/load-options';
import type { PreparedTransaction, PrepareOptions } from './transactions/prepared';
import type { Records } from './transactions/records';
import { TRANSACTION_NAMES, type Transaction, type TransactionOptions } from './transactions/transaction';
import { Transactions } from './transactions/transactions';

/** The results of what a scheduling function returned: of each member of an array, or of the one thing. */
export type Scheduled<R> = R extends readonly unknown[]
  ? { -readonly [K in keyof R]: Awaited<R[K]> }
  : Awaited<R>;

/** A database as seen from one event base: its operations start and complete there. */
export class BaseView<
  Classes extends readonly ClassDefinition[] = readonly ClassDefinition[],
  Mode extends EventMode = undefined,
> extends Transactions {
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
   * The servers, as this event base knows them by now: each has a connection of its own to them. UnsupportedError on engines
   * that have none.
   */
  get topology(): Topology {
    return this.#side.topology.current;
  }

  /**
   * Calls back with the topology after a server has got into another state: connected, lost, closed. UnsupportedError on
   * engines that have none.
   */
  onTopology(listener: TopologyListener): Registration {
    const { topology } = this.#side;
    checkFunction('listener', listener);
    return topology.listen(listener);
  }

  /**
   * The value; where there is none, or it is stale, what `loader` returns, which is stored. Of all processes that find so at
   * once, one loads: the others get the stale value or, where there is none, wait for the new one within their
   * timeouts. It ends with the error of its loader, whose result is as get() will find it; undefined is not stored. A loader
   * goes on without those who asked: for others, and for the server. UnsupportedError without memcached's meta protocol.
   */
  getOrLoad<T>(key: string, loader: Loader<T>, options: LoadOptions<T>): Promise<T | undefined> {
    const { loads, outcome } = this.#side;
    return outcome(this.#side.observed('getOrLoad', () => loads.getOrLoad(key, loader, options), key));
  }

  /**
   * What this event base has done for the database so far: calls, bytes, latencies and faults of each server, and what waits
   * and is under way now. A snapshot, read at once; it costs some microseconds a server.
   */
  stats(): DatabaseStats {
    return this.#side.stats();
  }

  /** The classes of the database: those it was opened with, and those that were stored in it before. None on engines that have none. */
  get classes(): Classes {
    return this.#side.classes as unknown as Classes;
  }

  /** The events of the database. UnsupportedError on engines that have none. */
  get events(): Events<Classes, Mode> {
    return this.#side.events as unknown as Events<Classes, Mode>;
  }

  /** Functions that may refuse a change before it is made. UnsupportedError on engines that have none. */
  get hooks(): Hooks<Classes> {
    return this.#side.hooks as unknown as Hooks<Classes>;
  }

  /** The records of a class. UnsupportedError on engines that have none. */
  records<C extends Classes[number]>(definition: C): Records<C> {
    return this.#side.recordsOf(definition);
  }

  /**
   * Runs `fn` with a transaction and commits what it has done when it has ended, all or nothing; what it throws gives
   * it up. It is run again when others have changed what it writes: what it does elsewhere may happen more than once.
   * Rejects with ConflictError when that has happened too often. UnsupportedError on engines that have none.
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
   * Runs `fn` as transaction() does and writes what it has done, with all checks made: what is left is to commit or to
   * roll back, and a commit cannot fail for a conflict. Until then nobody sees it, and nobody else can write.
   * UnsupportedError on engines that have no transactions.
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
   * Removes the records whose time has come, instead of waiting for the sweeper or the next write; how many.
   * UnsupportedError on engines whose servers do that by themselves.
   */
  async expireNow(): Promise<number> {
    const start = async (): Promise<number> => this.#side.multiRecord('expireNow').expireNow();
    return this.#side.outcome(this.#side.observed('expireNow', start));
  }

  /** Opens a scheduling context. Forgotten without leave() or fail(), its promises stay pending. */
  enter(): SchedulingContext {
    const { transport, outcome, observer } = this.#side;
    return new SchedulingContext(transport, outcome, observer);
  }

  /**
   * Runs `fn` with a context of its own, synchronously: leaves when it returns, fails and rethrows (as a rejection)
   * when it throws. Resolves to the results of what it returned.
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

  /** Writes what waits for it; needed only with `implicitFlush: false`. */
  flush(): void {
    this.#side.transport.flush();
  }

  /**
   * Resolves when nothing is under way any more on this event base: no operation, what waits for flush() included, and no
   * transaction, prepared ones included. Handlers of events, and what is staged in a context, do not count. close() ends it.
   * Rejects with TimeoutError, or the signal's reason.
   */
  idle(options: IdleOptions = {}): Promise<void> {
    return this.#side.outcome(idle(() => [this.#side.transport], options));
  }

  /**
   * The servers' own statistics, by their names, asked for now; a server that fails has an error instead. Rejects for
   * `signal` only. UnsupportedError on engines that have no servers.
   */
  serverStats(options: ServerStatsOptions = {}): Promise<PartialResult<ServerStats>> {
    return this.#ask('serverStats', serverStats, options);
  }

  /** The servers' versions, by their names, asked for now; otherwise as serverStats(). */
  serverVersions(options: AskOptions = {}): Promise<PartialResult<string>> {
    return this.#ask('serverVersions', serverVersions, options);
  }

  /**
   * Has the servers forget all records they have, whoever stored them, at once or after `delay` seconds. It resolves to
   * those that have agreed and the errors of the others, by name, and rejects as serverStats(). UnsupportedError on engines
   * that have no servers.
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

  /** The server's version as of the last handshake; rejects with ConnectionError when there is no connection in time. */
  async version(): Promise<string> {
    await this.#side.transport.ready();
    return this.#side.transport.version() ?? '';
  }
}

export interface CloseOptions {
  /** How long operations under way may take to finish, in ms; what is left then rejects with ClosedError. */
  readonly timeout?: number | undefined;
}

const CLOSE_NAMES = optionNames<CloseOptions>({ timeout: true });

/** A database, from connect(). Its own operations run on the event base given there. */
export class Database<
  Classes extends readonly ClassDefinition[] = readonly ClassDefinition[],
  Mode extends EventMode = undefined,
> extends BaseView<Classes, Mode> {
  readonly #engine: Engine;
  readonly #capturesStack: boolean;
  readonly #slow: SlowOperations | undefined;
  /** The same, where calls have to be timed. */
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
   * The database on another base, with a connection of its own, made at the first use of the base.
   * Throws CrossThreadError for a base of another thread, ClosedError when either is closed.
   */
  via(base: EventBase): BaseView<Classes, Mode> {
    EventBase.check(base);
    if (this.closed) throw new ClosedError('the database is closed');
    if (base.closed) throw new ClosedError('the event base is closed');
    const known = this.#sides.get(base);
    if (known !== undefined) return known.view as BaseView<Classes, Mode>;
    const transport = this.#engine.createTransport(base);
    const side = new Side(this.capabilities, base, transport, this.#capturesStack, this.#timed);
    const view = new BaseView<Classes, Mode>(side);
    // What ran on bases that are closed by now has ended with them.
    for (const each of this.#sides.keys())
      if (each.closed && each !== this.eventBase) this.#sides.delete(each);
    this.#sides.set(base, { side, view });
    return view;
  }

  /**
   * Copies the database into a new directory, as it is when the copy begins, while it is used. The copy is whole or not
   * there; who opens it to write need not say `restored`, for it knows. InvalidArgumentError (`directory`) when there is
   * something in the directory, StorageError when it cannot be written. close() waits for it. UnsupportedError on engines
   * that have no files.
   */
  async backup(directory: string, options: BackupOptions = {}): Promise<void> {
    if (this.#engine.backup === undefined)
      throw new UnsupportedError(`the ${this.capabilities.engine} engine has no backup`);
    if (this.closed) throw new ClosedError('the database is closed');
    return this.#engine.backup(directory, options);
  }

  /**
   * The servers from here on, for all event bases, each as `host[:port]` or an object. Those that stay keep their
   * connections; those that are not named any more bring to an end what they have, and are left. Keys may belong to other
   * servers then. InvalidArgumentError (`servers`), after which all is as before. UnsupportedError on engines whose servers
   * are not the user's choice.
   */
  setServers(servers: readonly (string | Server)[]): void {
    if (this.#engine.setServers === undefined)
      throw new UnsupportedError(`the ${this.capabilities.engine} engine has no servers to choose`);
    if (this.closed) throw new ClosedError('the database is closed');
    this.#engine.setServers(servers);
  }

  /** As on a view, for all event bases of the database together. */
  override idle(options: IdleOptions = {}): Promise<void> {
    const transports = () => [...this.#sides.values()].map(({ side }) => side.transport);
    const promise = idle(transports, options);
    return this.#capturesStack ? traced(promise) : promise;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Refuses new operations, lets those under way finish for at most `timeout` ms (the client's timeout without it),
   * rejects the rest with ClosedError, and resolves when no socket is left. Closing again waits for the same end.
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
