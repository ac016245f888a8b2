import type { Operation } from './operation';

/** The part of a database that a workload uses. */
export interface CacheClient {
  get(key: string): Promise<unknown>;
  getRecord(key: string): Promise<{ readonly cas: bigint } | undefined>;
  upsert(key: string, value: Buffer, options?: { ttl?: number; cas?: bigint }): Promise<unknown>;
  insert(key: string, value: Buffer, options?: { ttl?: number }): Promise<unknown>;
  replace(key: string, value: Buffer, options?: { ttl?: number; cas?: bigint }): Promise<unknown>;
  append(key: string, value: Buffer): Promise<unknown>;
  prepend(key: string, value: Buffer): Promise<unknown>;
  increment(key: string, options?: { delta?: bigint }): Promise<bigint | undefined>;
  decrement(key: string, options?: { delta?: bigint }): Promise<bigint | undefined>;
  remove(key: string): Promise<boolean>;
  touch(key: string, options: { ttl: number }): Promise<boolean>;
}

const ONE = { delta: 1n };

/**
 * Performs an operation. Returns the client's own promise, because another one around it would cost a fifth of the
 * whole loop.
 */
export function send(client: CacheClient, operation: Operation): Promise<unknown> {
  const { kind, key, value, expiry } = operation;
  switch (kind) {
    case 'get':
      return client.get(key);
    case 'gets':
      return client.getRecord(key);
    case 'set':
      return client.upsert(key, value, expiry);
    case 'add':
      return client.insert(key, value, expiry);
    case 'replace':
      return client.replace(key, value, expiry);
    case 'cas':
      return client.upsert(key, value, { ttl: expiry.ttl, cas: operation.cas });
    case 'append':
      return client.append(key, value);
    case 'prepend':
      return client.prepend(key, value);
    case 'incr':
      return client.increment(key, ONE);
    case 'decr':
      return client.decrement(key, ONE);
    case 'delete':
      return client.remove(key);
    case 'touch':
      return client.touch(key, expiry);
  }
}
