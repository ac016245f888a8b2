import type { BackupOptions } from '../backup';
import type { Server } from '../cluster/fleet';
import type { TopologyMonitor } from '../cluster/topology';
import type { EventBase } from '../event-base/event-base';
import type { ChangeLog } from '../events/change-log';
import type { HookList } from '../events/hooks';
import type { TransportStats } from '../observability/stats';
import type { ClassDefinition } from '../schema/class';
import type { CollectionName } from '../transactions/documents';
import type { LoadSite } from '../transactions/loading';
import type { PreparedTransaction, PrepareOptions } from '../transactions/prepared';
import type { Records } from '../transactions/records';
import type { Transaction, TransactionOptions } from '../transactions/transaction';

/** What an engine can do beyond single-record operations. */
export interface Capabilities {
  readonly engine: 'embedded' | 'memcached' | 'couchbase' | 'aerospike';
  /** Multi-record transactions and classes. */
  readonly transactions: boolean;
  /** Database events. */
  readonly events: boolean;
  readonly durability: boolean;
  /** Scopes and collections of documents, with durable writes, locks and reads of replicas. */
  readonly collections: boolean;
  readonly subDocument: boolean;
  /** Copies of the whole database while it is in use. */
  readonly backup: boolean;
  /** Servers with observable states. */
  readonly topology: boolean;
  /** getOrLoad(), and records marked as stale by invalidate(), on all servers as far as currently known. */
  readonly staleWhileRevalidate: boolean;
  /** getDetails(), on all servers as far as currently known. */
  readonly recordDetails: boolean;
}

/** An opened database of one kind; creates a transport for each event base. */
export interface Engine {
  readonly capabilities: Capabilities;
  /** How long close() waits for operations under way by default, in ms. */
  readonly drainTimeout: number;
  createTransport(base: EventBase): Transport;
  /** Until when connect() may wait, a time of performanceNow(), if that began before the first transport. */
  readonly readyBy?: number | undefined;
  /** true: the engine itself reports slow operations. false: the calls are timed. */
  readonly tellsSlowOperations: boolean;
  /** Only on engines whose servers the user chooses. Throws InvalidArgumentError (`servers`). */
  setServers?(servers: readonly (string | Server)[]): void;
  /** Only on engines that support backups. */
  backup?(directory: string, options: BackupOptions): Promise<void>;
  /** Ends what belongs to no event base; called after the transports are closed. */
  close(): Promise<void>;
}

/** The connection of one event base to the database: all that the layers above know about an engine. */
export interface Transport extends LoadSite {
  /** The server's name in errors; undefined when there is none or more than one. */
  readonly node: string | undefined;
  /**
   * Resolves when operations can be sent; rejects with ConnectionError when that is not so at `deadline`, by default
   * connectTimeout from now.
   */
  ready(deadline?: number): Promise<void>;
  flush(): void;
  /**
   * Operations that `start` submits belong together: they are sent in one batch or, on engines with transactions, form
   * one transaction. `collections`: of all of them, other than the default one.
   */
  together(collections: readonly CollectionName[], start: () => void): void;
  /**
   * Throws what dispatching an operation with these arguments would throw, without starting it. Returns an upper bound
   * of the bytes that it needs in fits().
   */
  check(key: string, value: string | Uint8Array | undefined, collection: CollectionName | undefined): number;
  /** Whether this many operations, with this many bytes in total, would be accepted now. */
  fits(operations: number, bytes: number): boolean;
  /** Whether nothing is under way: no operation and no transaction. */
  readonly isIdle: boolean;
  /** Calls back once when nothing is under way, unless the returned function is called before. */
  whenIdle(callback: () => void): () => void;
  /** Counters so far, and the current state. */
  stats(): TransportStats;
  /** The server's version while there is a connection. */
  version(): string | undefined;
  /** Refuses new operations but does nothing else yet; called before close() when subscriptions have to end first. */
  refuse(): void;
  /**
   * Refuses new operations, gives those under way `drainTimeout` ms, and rejects the rest with ClosedError. Resolves
   * when no native resource is left.
   */
  close(drainTimeout: number): Promise<void>;
  /** Only on engines with servers. */
  readonly topology?: TopologyMonitor;
  /** Only on engines with classes and transactions. */
  readonly multiRecord?: MultiRecord;
}

export interface MultiRecord {
  /** The classes that the database was opened with. */
  readonly classes: readonly ClassDefinition[];
  hooksOf(definition: ClassDefinition): HookList;
  /** The committed changes, for subscriptions. */
  readonly changes: ChangeLog;
  /** Throws InvalidArgumentError (`class`) for a class that is not in the database. */
  records<C extends ClassDefinition>(definition: C): Records<C>;
  /** Removes expired records; resolves to their number. */
  expireNow(): Promise<number>;
  prepare<R>(
    fn: (transaction: Transaction) => Promise<R> | R,
    options: PrepareOptions,
  ): Promise<PreparedTransaction<R>>;
  transaction<R>(fn: (transaction: Transaction) => Promise<R> | R, options: TransactionOptions): Promise<R>;
}
