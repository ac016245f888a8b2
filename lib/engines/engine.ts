import type { BackupOptions } from '../backup';
import type { Server } from '../cluster/fleet';
import type { TopologyMonitor } from '../cluster/topology';
import type { EventBase } from '../event-base/event-base';
import type { ChangeLog } from '../events/change-log';
import type { HookList } from '../events/hooks';
import type { TransportStats } from '../observability/stats';
import type { ClassDefinition } from '../schema/class';
import type { LoadSite } from '../transactions/loading';
import type { PreparedTransaction, PrepareOptions } from '../transactions/prepared';
import type { Records } from '../transactions/records';
import type { Transaction, TransactionOptions } from '../transactions/transaction';

/** What an engine can do beyond single-record operations. */
export interface Capabilities {
  readonly engine: 'embedded' | 'memcached' | 'couchbase' | 'aerospike';
  /** Multi-record transactions, and classes. */
  readonly transactions: boolean;
  /** Database events. */
  readonly events: boolean;
  readonly durability: boolean;
  readonly subDocument: boolean;
  /** Copies of the whole database while it is used. */
  readonly backup: boolean;
  /** Servers, whose state is known. */
  readonly topology: boolean;
  /** getOrLoad(), and records that invalidate() marks as stale: at all servers, as far as they are known by now. */
  readonly staleWhileRevalidate: boolean;
  /** getDetails(), likewise. */
  readonly recordDetails: boolean;
}

/** A kind of database, opened: it makes the ways to it, one for each event base. */
export interface Engine {
  readonly capabilities: Capabilities;
  /** ms that close() gives operations under way, unless it is told otherwise. */
  readonly drainTimeout: number;
  createTransport(base: EventBase): Transport;
  /** It was given where to tell of slow operations, and does so. Otherwise calls are timed. */
  readonly tellsSlowOperations: boolean;
  /** Of engines with servers of the user's choice. Throws InvalidArgumentError (`servers`). */
  setServers?(servers: readonly (string | Server)[]): void;
  /** Of engines that can. */
  backup?(directory: string, options: BackupOptions): Promise<void>;
  /** Ends what belongs to no event base; after the transports. */
  close(): Promise<void>;
}

/** One event base's way to the servers: what the facets above know of an engine. */
export interface Transport extends LoadSite {
  /** The server, as errors name it; undefined where there is none, or several. */
  readonly node: string | undefined;
  /** Resolves once operations can be sent; rejects with ConnectionError when that takes longer than connectTimeout. */
  ready(): Promise<void>;
  flush(): void;
  /** What `start` submits belongs together: it leaves in one run or, where the engine has transactions, is one. */
  together(start: () => void): void;
  /**
   * Throws what dispatching the operation would throw for its arguments; starts nothing. Returns how many bytes of
   * fits() it needs at most.
   */
  check(key: string, value: string | Uint8Array | undefined): number;
  /** Whether so many operations, which need so many bytes together, would be accepted now. */
  fits(operations: number, bytes: number): boolean;
  /** Whether nothing is under way: no operation, and no transaction. */
  readonly isIdle: boolean;
  /** Calls back once when nothing is under way any more, unless it is withdrawn by the function that is returned. */
  whenIdle(callback: () => void): () => void;
  /** What it has done so far, and what it is at. */
  stats(): TransportStats;
  /** The server's version while there is a connection. */
  version(): string | undefined;
  /** Refuses new operations, and nothing else yet; before close() where something has to be ended first. */
  refuse(): void;
  /**
   * Refuses new operations, gives those under way `drainTimeout` ms, rejects the rest with ClosedError; resolves when
   * nothing native is left.
   */
  close(drainTimeout: number): Promise<void>;
  /** Of engines that have servers. */
  readonly topology?: TopologyMonitor;
  /** Of engines that have classes and transactions. */
  readonly multiRecord?: MultiRecord;
}

export interface MultiRecord {
  /** The classes that the database was opened with. */
  readonly classes: readonly ClassDefinition[];
  hooksOf(definition: ClassDefinition): HookList;
  /** What was committed, for subscriptions. */
  readonly changes: ChangeLog;
  /** Throws InvalidArgumentError (`class`) for a class that is not of the database. */
  records<C extends ClassDefinition>(definition: C): Records<C>;
  /** Removes what has expired by now; how many records. */
  expireNow(): Promise<number>;
  prepare<R>(
    fn: (transaction: Transaction) => Promise<R> | R,
    options: PrepareOptions,
  ): Promise<PreparedTransaction<R>>;
  transaction<R>(fn: (transaction: Transaction) => Promise<R> | R, options: TransactionOptions): Promise<R>;
}
