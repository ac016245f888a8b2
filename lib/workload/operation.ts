/** The commands in a cache trace, by their memcached names. */
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

/** A request to send. */
export interface Operation {
  readonly kind: OperationKind;
  readonly key: string;
  /** The value to write; empty for kinds that write nothing. Shared between operations: do not modify it. */
  readonly value: Buffer;
  /** Shared between operations: do not modify it. */
  readonly expiry: { readonly ttl: number };
  /** The version that a `cas` expects. */
  readonly cas: bigint | undefined;
  /** The key is not resident, so a read of it should miss. */
  readonly transient: boolean;
  /** A removal in place of the server's eviction, to be performed after this operation is answered. */
  readonly evicts: Operation | undefined;
}

/** An endless stream of operations that learns from their answers. */
export interface OperationSource {
  next(): Operation;
  /** Reports a read that missed. Returns a write that the same worker performs at once, or undefined. */
  missed(operation: Operation): Operation | undefined;
  /** Reports the version that a `gets` has found. */
  versioned(key: string, cas: bigint): void;
}
