import type { Compound } from './compound';
import type { DocumentEngine } from './documents';
import type { Operation } from './operation';
import type { Transcoder } from './transcoder';

/** Where operations go: directly to an engine, or into a scheduling context. */
export interface Target {
  readonly transcoder: Transcoder;
  /** Whether a server may keep no record versions and return 0n. */
  readonly mayBeUnversioned?: boolean;
  /** Why the features of memcached's meta protocol are unavailable; undefined when they are available. */
  readonly withoutMeta?: string | undefined;
  /** ms since 1970, on the engine's clock. */
  now(): number;
  /** Throws UnsupportedError naming the feature on engines without collections of documents. */
  documents(feature: string): DocumentEngine;
  /** Throws what the call should throw; later errors reject the promise. */
  dispatch<T>(operation: Operation): Promise<T>;
  dispatchMany<R>(many: Compound<R>): Promise<R>;
  /** Is notified of a call that throws `error` before dispatch. */
  refused?(op: string, key: unknown, error: unknown): void;
}
