import { type HostPort, nameOfServer } from '../../cluster/connection-string';
import { type CollectionIds, checkCollectionName, manifestOf } from '../../cluster/couchbase/collections';
import type { ConfigMonitor } from '../../cluster/couchbase/config-monitor';
import type { Configurations } from '../../cluster/couchbase/configurations';
import { partitionOf } from '../../cluster/couchbase/partition-map';
import { copiesOf } from '../../cluster/couchbase/replicas';
import { decide, type Reason } from '../../cluster/couchbase/retry-policy';
import { CouchbaseStatus, meaningOf } from '../../cluster/couchbase/statuses';
import type { Timers } from '../../event-base/event-base';
import * as layout from '../../native/layout';
import { performanceNow } from '../../platform';
import type { CollectionName, DocumentEngine, StoreSemantics } from '../../transactions/documents';
import { Kind, type Operation } from '../../transactions/operation';
import { FLAGS_JSON } from '../../transactions/transcoder';
import type { Extension, Retry, Wait } from '../network/extension';
import type { TokenSource } from './answers';
import { AwaitedIds } from './awaited-ids';
import { durabilityWord } from './durability';
import { isIdempotent } from './operations';
import { encodeLookup, encodeMutation } from './sub-document/encode';

const JSON_DATATYPE = 1;

/** Flags of the document in requests of paths. */
const SEMANTICS: Readonly<Record<StoreSemantics, number>> = { replace: 0, upsert: 1, insert: 2 };
const DOCUMENT_FLAGS_SHIFT = 8;

/** The paths have statuses of their own. */
const LOOKUP_STATUSES: ReadonlySet<number> = new Set([
  CouchbaseStatus.multiPathFailure,
  CouchbaseStatus.successOnTombstone,
  CouchbaseStatus.multiPathFailureOnTombstone,
]);

/** What a server says when there is a newer configuration: its revision, two numbers of 64 bits. */
const MAP_CHANGED = 0x01;
const REVISION_BYTES = 16;

/** Another operation of the key ends what it waits for, perhaps a later one of this client. */
const ENDED_BY_OTHERS: ReadonlySet<Reason> = new Set([
  'locked',
  'sync write in progress',
  'sync write recommit in progress',
]);

/** Bytes. Servers reserve the difference for the id of the collection. */
const LONGEST_KEY = 250;
const LONGEST_KEY_ELSEWHERE = 246;
/** Of a named collection, while its id does not matter. */
const ANY_ID = 8;

/** A bucket, as its operations are concerned with it: partitions, collections, and what is tried again. */
export class Bucket implements DocumentEngine, Extension, TokenSource {
  readonly bucket: string;
  readonly encodeLookup = encodeLookup;
  readonly encodeMutation = encodeMutation;
  readonly #configurations: Configurations;
  readonly #monitor: ConfigMonitor;
  readonly #ids: CollectionIds;
  readonly #awaited: AwaitedIds;
  readonly #timers: Timers;
  #calls = 0;

  constructor(
    bucket: string,
    configurations: Configurations,
    monitor: ConfigMonitor,
    ids: CollectionIds,
    timers: Timers,
  ) {
    this.bucket = bucket;
    this.#configurations = configurations;
    this.#monitor = monitor;
    this.#ids = ids;
    this.#awaited = new AwaitedIds(ids, timers, () => monitor.refresh());
    this.#timers = timers;
  }

  checkCollection({ scope, name }: CollectionName): void {
    checkCollectionName('scope', scope);
    checkCollectionName('collection', name);
  }

  partitionOf(key: string): number | undefined {
    const partitions = this.#configurations.current?.map.bucket?.partitions;
    return partitions && partitionOf(key, partitions.count);
  }

  copiesOf(key: string, serverGroup: string | undefined): readonly number[] {
    const partition = this.partitionOf(key);
    const map = this.#configurations.current?.map;
    if (partition === undefined || map === undefined) return [];
    return copiesOf(map, partition, serverGroup).map(({ copy }) => copy);
  }

  prepare(
    operation: Operation,
    words: Uint32Array,
    usualTimeout: number,
    batch: readonly CollectionName[],
  ): number | Wait {
    const { collection, details, flags } = operation;
    const timeout = details?.timeout ?? usualTimeout;
    operation.course ??= {
      order: ++this.#calls,
      deadline: performanceNow() + timeout,
      isAccepted: false,
      collection: 0,
      batch,
      retries: 0,
      failedAt: undefined,
    };
    const wait = this.#awaited.waitFor(operation.course.batch);
    if (wait !== undefined) return wait;
    const id = collection === undefined ? 0 : this.#awaited.idOf(collection);
    if (typeof id !== 'number') return id;
    operation.course.collection = id;
    const document = details?.document;
    const isMutation = operation.kind === Kind.mutateIn;
    const documentFlags = isMutation && document !== undefined ? SEMANTICS[document.semantics] : 0;
    words[layout.PARAM_COLLECTION] = id;
    words[layout.PARAM_MODES] =
      (flags === FLAGS_JSON ? JSON_DATATYPE : 0) | (documentFlags << DOCUMENT_FLAGS_SHIFT);
    words[layout.PARAM_DURABILITY] =
      document?.durability === undefined ? 0 : durabilityWord(document.durability, timeout);
    words[layout.PARAM_REPLICA] = document?.replica ?? 0;
    words[layout.PARAM_PARTITION] = 0;
    const expiryBits =
      (document?.preservesExpiry ? layout.CODE_PRESERVES_EXPIRY : 0) |
      (document?.setsExpiry ? layout.CODE_SETS_EXPIRY : 0);
    return layout.CODE_EXTENDED | expiryBits;
  }

  unknownOf(collections: readonly CollectionName[]): readonly CollectionName[] {
    return this.#awaited.unknownOf(collections);
  }

  prepareCheck(collection: CollectionName | undefined, words: Uint32Array): number {
    words[layout.PARAM_COLLECTION] = collection === undefined ? 0 : ANY_ID;
    return layout.CODE_EXTENDED;
  }

  longestKey(collection: CollectionName | undefined): number {
    return collection === undefined ? LONGEST_KEY : LONGEST_KEY_ELSEWHERE;
  }

  sentBack(server: string, configuration: Buffer): void {
    const teller = this.#tellerOf(server);
    const isNew =
      teller !== undefined && configuration.length > 0 && this.#monitor.pushed(configuration, teller);
    if (!isNew) this.#monitor.refresh();
  }

  noticed(server: string, opcode: number, value: Buffer, beside: number): void {
    const teller = this.#tellerOf(server);
    if (opcode !== MAP_CHANGED || beside !== REVISION_BYTES || teller === undefined) return;
    const revision = { epoch: value.readBigInt64BE(0), rev: value.readBigInt64BE(8) };
    this.#monitor.announced(revision, teller);
  }

  #tellerOf(name: string): HostPort | undefined {
    const servers = this.#configurations.current?.servers ?? [];
    return servers.find((server) => server !== undefined && nameOfServer(server) === name);
  }

  isSuccess(kind: Kind, status: number): boolean {
    return kind === Kind.lookupIn && LOOKUP_STATUSES.has(status);
  }

  retry(operation: Operation, status: number, body: () => Buffer): Retry | undefined {
    const reason = meaningOf(status, undefined)?.reason;
    const { course, kind, details } = operation;
    if (reason === undefined || course === undefined || details?.server !== undefined) return undefined;
    if (kind === Kind.unlock && status === CouchbaseStatus.locked) return undefined;
    if (reason === 'collection outdated' && this.#isGone(operation, body())) return undefined;
    const now = performanceNow();
    course.failedAt ??= now;
    const decision = decide({
      reason,
      idempotent: isIdempotent(kind),
      written: true,
      retries: course.retries,
      blamed: 0,
      remaining: course.deadline - now,
      spent: now - course.failedAt,
    });
    if (decision.action === 'fail') return decision.isLate ? 'late' : undefined;
    course.retries += 1;
    if (decision.refresh === 'configuration') this.#monitor.refresh();
    return { until: this.#pause(decision.delay), mayBePassed: ENDED_BY_OTHERS.has(reason) };
  }

  #isGone({ collection, course }: Operation, body: Buffer): boolean {
    if (collection === undefined) return true; // the default one, which has no other id
    const { scope, name } = collection;
    return this.#ids.unknown(scope, name, course?.collection ?? 0, manifestOf(body)) === 'gone';
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#timers.timer(Math.max(1, Math.ceil(ms)), resolve));
  }
}
