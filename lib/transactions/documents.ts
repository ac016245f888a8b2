import type { LookupRequest, MutationRequest, PathCodec } from './sub-document/request';

/**
 * When a write is complete. 'majority': a majority of the copies have it in memory. 'majorityAndPersistActive': and the
 * active copy has it on disk. 'persistToMajority': a majority of the copies have it on disk.
 */
export type Durability = 'majority' | 'majorityAndPersistActive' | 'persistToMajority';

/** What mutateIn() requires. 'replace': the record exists. 'insert': it does not exist. 'upsert': either. */
export type StoreSemantics = 'replace' | 'insert' | 'upsert';

/** The name of the default scope, and of the default collection in it. */
export const DEFAULT_NAME = '_default';

export interface CollectionName {
  readonly scope: string;
  readonly name: string;
}

/** Additional details of operations on an engine with collections. */
export interface DocumentDetails {
  durability: Durability | undefined;
  /** true: the record keeps its time to live. */
  preservesExpiry: boolean;
  /** Of mutateIn(): the record gets the expiry of the details instead of keeping its own. */
  setsExpiry: boolean;
  semantics: StoreSemantics;
  /** The copy to read, counted from 1; 0 is the active one. */
  replica: number;
  lookup: LookupRequest | undefined;
  mutation: MutationRequest | undefined;
}

export function documentDetails(): DocumentDetails {
  return {
    durability: undefined,
    preservesExpiry: false,
    setsExpiry: false,
    semantics: 'replace',
    replica: 0,
    lookup: undefined,
    mutation: undefined,
  };
}

/** The part of an engine that supports collections of documents. */
export interface DocumentEngine extends PathCodec {
  /** Throws InvalidArgumentError (`scope` or `collection`) for an invalid name. */
  checkCollection(collection: CollectionName): void;
  /** The existing copies of the record, 0 for the active one; with a server group, only those in it. */
  copiesOf(key: string, serverGroup: string | undefined): readonly number[];
}
