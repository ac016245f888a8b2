import type { Submitter } from '../transactions/get-many';
import type { Target } from '../transactions/transactions';

/** What an engine can do beyond single-record operations. */
export interface Capabilities {
  readonly engine: 'embedded' | 'memcached' | 'couchbase' | 'aerospike';
  /** Multi-record transactions. */
  readonly transactions: boolean;
  /** Database events. */
  readonly events: boolean;
  readonly durability: boolean;
  readonly subDocument: boolean;
}

/** One event base's way to the servers: what the facets above know of an engine. */
export interface Transport extends Target, Submitter {
  /** Resolves once operations can be sent; rejects with ConnectionError when that takes longer than connectTimeout. */
  ready(): Promise<void>;
  flush(): void;
  /** Throws what dispatching the operation would throw for its arguments; starts nothing. */
  check(key: string, value: string | Uint8Array | undefined): void;
  /** The server's version while there is a connection. */
  version(): string | undefined;
  /**
   * Refuses new operations, gives those under way `drainTimeout` ms, rejects the rest with ClosedError; resolves when
   * nothing native is left.
   */
  close(drainTimeout: number): Promise<void>;
}
