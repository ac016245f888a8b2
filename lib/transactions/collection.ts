import { invalidArgument, optionNames, shown } from '../arguments';
import { CollectionTarget } from './collection-target';
import type { DocumentEngine, StoreSemantics } from './documents';
import {
  type DurabilityOptions,
  type DurableWrites,
  documentOf,
  durably,
  type PreserveExpiryOptions,
} from './durability';
import { type ExpiryOptions, encodeExpiry, encodeSpan, hasExpiry } from './expiry';
import { details, Kind, nameOf, Operation } from './operation';
import { type ConditionalOptions, OPERATION_NAMES, type OperationOptions } from './options';
import { AllCopies, type AllReplicas, AnyCopy, ReplicaReads, type ReplicaRecord } from './replica-reads';
import type { RecordResult } from './results';
import type { LookupResult, MutateInResult } from './sub-document/results';
import type { AnsweredBy, FoundBy, LookupSpec, MutationSpec } from './sub-document/specs';
import type { Target } from './target';
import { Transactions, timing, version } from './transactions';

export interface ReplicaOptions extends OperationOptions {
  /** Reads only copies on servers of this group. */
  readonly serverGroup?: string | undefined;
}

export interface MutateInOptions
  extends ConditionalOptions,
    ExpiryOptions,
    DurabilityOptions,
    PreserveExpiryOptions {
  /**
   * 'replace': the record must exist, otherwise KeyNotFoundError. 'insert': it must not exist, otherwise
   * KeyExistsError. 'upsert': either. Default 'replace'.
   */
  readonly storeSemantics?: StoreSemantics | undefined;
}

const REPLICA_NAMES = optionNames<ReplicaOptions>({ timeout: true, signal: true, serverGroup: true });
const MUTATE_IN_NAMES = optionNames<MutateInOptions>({
  timeout: true,
  signal: true,
  cas: true,
  ttl: true,
  expiresAt: true,
  durability: true,
  preserveExpiry: true,
  storeSemantics: true,
});

const SEMANTICS: ReadonlySet<unknown> = new Set<StoreSemantics>(['replace', 'insert', 'upsert']);

/** A collection: the operations on single records, and those of an engine with documents. */
export class CollectionView extends Transactions<DurableWrites> {
  readonly scope: string;
  readonly name: string;
  readonly #target: Target;
  readonly #documents: DocumentEngine;

  /** Throws UnsupportedError on engines without collections, InvalidArgumentError (`scope` or `collection`). */
  constructor(target: Target, scope: string, name: string) {
    const documents = target.documents('collections');
    const collection = { scope, name };
    documents.checkCollection(collection);
    const own = new CollectionTarget(target, collection);
    super(own);
    this.scope = scope;
    this.name = name;
    this.#target = own;
    this.#documents = documents;
  }

  /**
   * Reads 1 to 16 parts of a document, each with the type of its spec; undefined when there is no document. A missing
   * path is not an error: a get of it finds undefined.
   */
  lookupIn<const Specs extends readonly LookupSpec<unknown>[]>(
    key: string,
    specs: Specs,
    options: OperationOptions = {},
  ): Promise<LookupResult<FoundBy<Specs>> | undefined> {
    return this.#start(Kind.lookupIn, key, () => {
      const detail = timing(options, details(), OPERATION_NAMES);
      const lookup = this.#documents.encodeLookup(specs);
      documentOf(detail).lookup = lookup;
      return new Operation(Kind.lookupIn, key, lookup.value, detail, undefined);
    });
  }

  /**
   * Changes 1 to 16 parts of a document, all or none. Without `ttl` and `expiresAt`, the record keeps its time to live;
   * with `ttl: 0` it has none from then on. PathNotFoundError, PathExistsError, KeyNotFoundError,
   * KeyExistsError, CasMismatchError.
   */
  mutateIn<const Specs extends readonly MutationSpec<unknown>[]>(
    key: string,
    specs: Specs,
    options: MutateInOptions = {},
  ): Promise<MutateInResult<AnsweredBy<Specs>>> {
    return this.#start(Kind.mutateIn, key, () => {
      const detail = version(options, timing(options, details(), MUTATE_IN_NAMES), this.#target);
      detail.expiry = encodeExpiry(options, () => this.#target.now());
      durably(options, detail, this.#target);
      const document = documentOf(detail);
      document.setsExpiry = hasExpiry(options);
      document.semantics = semanticsOf(options);
      document.mutation = this.#documents.encodeMutation(specs);
      return new Operation(Kind.mutateIn, key, document.mutation.value, detail, undefined);
    });
  }

  /**
   * Reads the record and locks it for this many seconds, more than 0: until then only a write with its `cas`, or
   * unlock(), can change it. undefined when there is none. The server limits the time, usually to 30 s. If the record
   * is locked already, waits for it within the timeout.
   */
  getAndLock<T = unknown>(
    key: string,
    seconds: number,
    options: OperationOptions = {},
  ): Promise<RecordResult<T> | undefined> {
    return this.#start(Kind.getAndLock, key, () => {
      const detail = timing(options, details(), OPERATION_NAMES);
      detail.expiry = encodeSpan('seconds', seconds, () => this.#target.now());
      return new Operation(Kind.getAndLock, key, undefined, detail, undefined);
    });
  }

  /**
   * Unlocks a record that getAndLock() has locked. Resolves to whether it was still locked. CasMismatchError when
   * another client has locked it since.
   */
  unlock(key: string, cas: bigint, options: OperationOptions = {}): Promise<boolean> {
    return this.#start(Kind.unlock, key, () => {
      if (cas === undefined) throw invalidArgument('cas', 'cas is the one of the record from getAndLock()');
      const detail = timing(options, details(), OPERATION_NAMES);
      return new Operation(Kind.unlock, key, undefined, version({ cas }, detail, this.#target), undefined);
    });
  }

  /**
   * The record from the copy that answers first; undefined when there is none. A replica may be behind the active copy.
   * Rejects when the active copy cannot be read and no replica has the record.
   */
  getAnyReplica<T = unknown>(
    key: string,
    options: ReplicaOptions = {},
  ): Promise<ReplicaRecord<T> | undefined> {
    return this.#readCopies('getAnyReplica', key, options, new AnyCopy<T>());
  }

  /** The record from each of its copies. Rejects when none of them can be read. */
  getAllReplicas<T = unknown>(key: string, options: ReplicaOptions = {}): Promise<AllReplicas<T>> {
    return this.#readCopies('getAllReplicas', key, options, new AllCopies<T>());
  }

  #readCopies<R>(
    op: string,
    key: string,
    options: ReplicaOptions,
    gathering: ConstructorParameters<typeof ReplicaReads<R>>[5],
  ): Promise<R> {
    let reads: ReplicaReads<R>;
    try {
      const detail = timing(options, details(), REPLICA_NAMES);
      const { serverGroup } = options;
      if (serverGroup !== undefined && typeof serverGroup !== 'string')
        throw invalidArgument('serverGroup', `serverGroup is a string, not ${shown(serverGroup)}`);
      reads = new ReplicaReads(op, key, detail, this.#documents, serverGroup, gathering);
    } catch (error) {
      this.#target.refused?.(op, key, error);
      throw error;
    }
    return this.#target.dispatchMany(reads);
  }

  #start<T>(kind: Kind, key: string, make: () => Operation): Promise<T> {
    let operation: Operation;
    try {
      operation = make();
    } catch (error) {
      this.#target.refused?.(nameOf(kind), key, error);
      throw error;
    }
    return this.#target.dispatch(operation);
  }
}

/** A scope of a bucket, which contains collections. */
export class ScopeView {
  readonly name: string;
  readonly #target: Target;

  /** Throws UnsupportedError on engines without scopes. */
  constructor(target: Target, name: string) {
    target.documents('scopes');
    this.name = name;
    this.#target = target;
  }

  /**
   * Throws InvalidArgumentError (`scope` or `collection`) for an invalid name. If the collection does not exist, its
   * operations fail.
   */
  collection(name: string): CollectionView {
    return new CollectionView(this.#target, this.name, name);
  }
}

function semanticsOf({ storeSemantics = 'replace', cas }: MutateInOptions): StoreSemantics {
  if (!SEMANTICS.has(storeSemantics))
    throw invalidArgument(
      'storeSemantics',
      `storeSemantics is 'replace', 'insert' or 'upsert', not ${shown(storeSemantics)}`,
    );
  if (storeSemantics === 'insert' && cas !== undefined)
    throw invalidArgument('cas', 'cas: a record that is inserted has no version yet');
  return storeSemantics;
}
