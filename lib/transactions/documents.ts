import type { LookupRequest, MutationRequest, PathCodec } from './sub-document/request';

/**
 * When a write is done. 'majority': most copies of the record have it in memory. 'majorityAndPersistActive': and the active one has
 * it on disk. 'persistToMajority': most copies have it on disk.
 */
export type Durability = 'majority' | 'majorityAndPersistActive' | 'persistToMajority';

/** What mutateIn() expects: 'replace': the record exists. 'insert': it does not. 'upsert': either. */
export type StoreSemantics = 'replace' | 'insert' | 'upsert';

export interface CollectionName {
  readonly scope: string;
  readonly name: string;
}

/** What operations of an engine with collections need besides. */
export interface DocumentDetails {
  durability: Durability | undefined;
  /** The record keeps its time to live. */
  preservesExpiry: boolean;
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
    semantics: 'replace',
    replica: 0,
    lookup: undefined,
    mutation: undefined,
  };
}

/** Of an engine with collections of documents. */
export interface DocumentEngine extends PathCodec {
  /** Throws InvalidArgumentError (`scope` or `collection`) for what is no name. */
  checkCollection(collection: CollectionName): void;
  /** The copies of the record that there are now, 0 for the active one; those in the server group, if one is given. */
  copiesOf(key: string, serverGroup: string | undefined): readonly number[];
}
