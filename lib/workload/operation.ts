/** The commands a cache trace knows, by their memcached names. */
export const OPERATION_KINDS = [
  'get',
  'gets',
  'set',
  'add',
  'replace',
  'cas',
  'append',
  'prepend',
  'incr',
  'decr',
  'delete',
  'touch',
] as const;

export type OperationKind = (typeof OPERATION_KINDS)[number];

export function isOperationKind(name: string): name is OperationKind {
  return (OPERATION_KINDS as readonly string[]).includes(name);
}

/** One request to send. */
export interface Operation {
  readonly kind: OperationKind;
  readonly key: string;
  /** What to write; empty where the kind writes nothing. Shared between operations: never modify it. */
  readonly value: Buffer;
  /** Shared between operations: never modify it. */
  readonly expiry: { readonly ttl: number };
  /** The version a `cas` expects. */
  readonly cas: bigint | undefined;
  /** The key is not of the resident population, so a read of it is meant to miss. */
  readonly transient: boolean;
  /** A removal that stands for the server's eviction, to be performed when this one is answered. */
  readonly evicts: Operation | undefined;
}

/** An endless stream of operations that learns from their answers. */
export interface OperationSource {
  next(): Operation;
  /** Tells of a read that found nothing. The answer is a write the same worker performs at once, or undefined. */
  missed(operation: Operation): Operation | undefined;
  /** Tells of the version a `gets` has found. */
  versioned(key: string, cas: bigint): void;
}
