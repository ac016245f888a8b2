// Couchbase's own client, which is not installed everywhere, as the tests call it.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { startCluster, type TestCluster } from '../../../lib/testing/index.ts';

interface Result {
  content: unknown;
  cas: unknown;
  token?: { toJSON(): { partition_id: number; sequence_number: string } };
  exists: boolean;
  value: number;
}

interface SubResult {
  content: { error: Error | null; value: unknown }[];
}

export interface Collection {
  upsert(key: string, value: unknown, options?: object): Promise<Result>;
  insert(key: string, value: unknown): Promise<Result>;
  replace(key: string, value: unknown, options?: object): Promise<Result>;
  get(key: string, options?: object): Promise<Result>;
  exists(key: string): Promise<Result>;
  remove(key: string, options?: object): Promise<Result>;
  touch(key: string, expiry: number): Promise<Result>;
  getAndTouch(key: string, expiry: number): Promise<Result>;
  getAndLock(key: string, seconds: number): Promise<Result>;
  unlock(key: string, cas: unknown): Promise<void>;
  getAnyReplica(key: string): Promise<Result>;
  getAllReplicas(key: string): Promise<Result[]>;
  mutateIn(key: string, specs: unknown[], options?: object): Promise<SubResult>;
  lookupIn(key: string, specs: unknown[]): Promise<SubResult>;
  scan(what: unknown, options?: object): Promise<{ id: string }[]>;
  binary(): {
    increment(key: string, delta: number, options?: object): Promise<Result>;
    decrement(key: string, delta: number): Promise<Result>;
    append(key: string, value: string): Promise<Result>;
    prepend(key: string, value: string): Promise<Result>;
  };
}

export interface Bucket {
  defaultCollection(): Collection;
  scope(name: string): { collection(name: string): Collection };
}

export interface Client {
  bucket(name: string): Bucket;
  close(): Promise<void>;
}

type SpecMaker = (path: string, value?: unknown, options?: object) => unknown;

type ErrorClasses = Record<
  `${'DocumentNotFound' | 'DocumentExists' | 'CasMismatch' | 'PathNotFound' | 'PathExists' | 'DurabilityAmbiguous'}Error`,
  new () => Error
>;

interface Couchbase extends ErrorClasses {
  connect(url: string, options: object): Promise<Client>;
  DurabilityLevel: Record<'Majority' | 'MajorityAndPersistOnMaster' | 'PersistToMajority', number>;
  LookupInSpec: { get: SpecMaker; exists: SpecMaker; count: SpecMaker };
  MutateInSpec: Record<
    'upsert' | 'insert' | 'replace' | 'remove' | 'arrayAppend' | 'arrayAddUnique',
    SpecMaker
  > & {
    increment(path: string, delta: number): unknown;
  };
  MutateInMacro: { Cas: unknown };
  RangeScan: new () => unknown;
  PrefixScan: new (prefix: string) => unknown;
}

const couchbase = installed();
export const skip =
  couchbase === undefined && 'the official client is not installed: npm run test:couchbase installs it';

function installed(): Couchbase | undefined {
  try {
    return createRequire(import.meta.url)('couchbase') as Couchbase;
  } catch {
    return undefined;
  }
}

export function client(): Couchbase {
  assert.ok(couchbase);
  return couchbase;
}

export async function connected(url: string, more: object = {}): Promise<Client> {
  return client().connect(url, { username: 'Administrator', password: 'password', ...more });
}

/** The client can wait for the network on the thread that calls it, so that a cluster in that thread could not answer. */
export const startApart = () =>
  startCluster({ worker: true, nodes: 2, collections: { shop: ['orders'] }, record: true });

export function urlOf(cluster: TestCluster): string {
  return cluster.url.replace(/\/[^/]*$/, '');
}
