export type { BackupOptions, BackupProgress } from './backup';
export type { Mechanism } from './cluster/couchbase/mechanisms';
export type { CredentialOptions } from './cluster/credentials';
export type { Server } from './cluster/fleet';
export type { PlacementName } from './cluster/placement/placement';
export type { Pem, TlsOptions, TlsVersion } from './cluster/tls';
export type { NodeState, NodeStatus, Topology, TopologyListener, TopologyMessage } from './cluster/topology';
export type {
  ConnectOptions,
  CouchbaseConnectOptions,
  CouchbaseUrl,
  EmbeddedConnectOptions,
} from './connect';
export { connect } from './connect';
export type { CloseOptions, Scheduled } from './database';
export { BaseView, Database } from './database';
export type { CouchbaseOptions } from './engines/couchbase/options';
export type { EmbeddedOptions, IndexProgress } from './engines/embedded/options';
export type { Capabilities } from './engines/engine';
export type { FleetOptions } from './engines/memcached/fleet-options';
export type { MemcachedOptions } from './engines/memcached/open';
export type { ClientOptions } from './engines/network/options';
export type { ErrorContext } from './errors';
export * from './errors';
export type {
  EventBaseOptions,
  EventBaseStats,
  Readiness,
  Registration,
  WatchOptions,
} from './event-base/event-base';
export { EventBase } from './event-base/event-base';
export type { DurableMarks } from './events/durable';
export type { DurableSubscription } from './events/durable-subscription';
export type {
  DurableEventOf,
  DurableOptions,
  Events,
  FeedOptions,
  HandlerOptions,
  SnapshotEvent,
  Start,
  SubscriptionOptions,
  Told,
  WhereOptions,
} from './events/events';
export type { Feed } from './events/feed';
export type { Hook, HookChange, HookKind, Hooks } from './events/hooks';
export type { ParkedEvent } from './events/parked';
export type { Overflow } from './events/puller';
export type { ErrorPolicy, Handler, HandlerContext, SubscriptionStats } from './events/subscription';
export { Subscription } from './events/subscription';
export type { TransactionFeed, TransactionOfEvents } from './events/transactions';
export type {
  AnyEvent,
  Cause,
  CheckpointEvent,
  DeleteAllEvent,
  DeleteEvent,
  EventMode,
  EventNamed,
  EventOf,
  ExpireEvent,
  FieldChangeEvent,
  GapEvent,
  KindOf,
  NewEvent,
  StandardKind,
  TransactionInfo,
  Transition,
  UpdateEvent,
} from './events/types';
export type { EventWaits, WaitOptions, WaitResult } from './events/waits';
export type { IdleOptions } from './idle';
export type { ConnectedMessage, DisconnectedMessage, OperationTrace } from './observability/channels';
export type { LatencyBucket, LatencyStats } from './observability/latency';
export type {
  SlowOperation,
  SlowOperationsOptions,
  SlowOperationsReport,
} from './observability/slow-operations';
export type { DatabaseStats, NodeStats, StorageStats } from './observability/stats';
export { SchedulingContext } from './scheduling/context';
export type {
  ClassDefinition,
  IndexField,
  KeyField,
  UpdateField,
} from './schema/class';
export { defineClass } from './schema/class';
export type { DdlOptions, ParsedSchema } from './schema/ddl/parse';
export { parseDdl } from './schema/ddl/parse';
export type { DdlWarning } from './schema/ddl/scope';
export type { ClassDescription, FieldDescription, NamedField } from './schema/description';
export { classFromDescription, describeClass } from './schema/description';
export type {
  EventDeclaration,
  EventDefinition,
  EventKind,
  FieldUpdateEvent,
  WholeEvent,
  WholeEventKind,
} from './schema/events';
export {
  onCheckpoint,
  onDelete,
  onDeleteAll,
  onExpire,
  onFieldUpdate,
  onNew,
  onUpdate,
} from './schema/events';
export type {
  AutoidField,
  BytesField,
  EnumerationField,
  Field,
  FieldMap,
  MemberField,
  MemberMap,
  OptionalField,
  OrderedField,
  PresentField,
  ScalarField,
  ScalarKind,
  StringField,
  StructField,
  VectorField,
} from './schema/field';
export { field } from './schema/field';
export type { Index, IndexedField, IndexMap } from './schema/indexes';
export { desc, hashIndex, index, uniqueHashIndex, uniqueIndex } from './schema/indexes';
export type { EventNames, InsertOf, KeyOf, RecordOf, UpdatedFields, ValueOf } from './schema/record';
export type { TimeToLive } from './schema/ttl';
export { toTypeScript } from './schema/typescript';
export { validate } from './schema/validate';
export type { AskOptions, FlushAllOptions, ServerStats, ServerStatsOptions } from './servers';
export type { MutateInOptions, ReplicaOptions } from './transactions/collection';
export { CollectionView, ScopeView } from './transactions/collection';
export type { Durability, StoreSemantics } from './transactions/documents';
export type {
  DurabilityOptions,
  DurableWrites,
  PreserveExpiryOptions,
  WriteAdditions,
} from './transactions/durability';
export type { ExpiryOptions } from './transactions/expiry';
export type { PartialResult } from './transactions/gathering';
export type { Load, Loader, LoadOptions } from './transactions/load-options';
export type {
  ConditionalOptions,
  ConditionalWriteOptions,
  CounterOptions,
  GetManyOptions,
  InvalidateOptions,
  OperationOptions,
  WriteOptions,
} from './transactions/options';
export type { PreparedTransaction, PrepareOptions } from './transactions/prepared';
export type {
  Bound,
  ConditionalRecordWriteOptions,
  FindOptions,
  IndexNames,
  Query,
  Records,
  RecordWriteOptions,
  VersionedRecord,
} from './transactions/records';
export type { AllReplicas } from './transactions/replica-reads';
export { ReplicaRecord } from './transactions/replica-reads';
export type { MutationToken } from './transactions/results';
export { DetailedRecord, MutationResult, RecordResult } from './transactions/results';
export { LookupResult, MutateInResult } from './transactions/sub-document/results';
export type {
  AnsweredBy,
  CreatePathOptions,
  FoundBy,
  LookupSpec,
  Macro,
  MutationSpec,
  PathOptions,
} from './transactions/sub-document/specs';
export { sub } from './transactions/sub-document/specs';
export type { Transaction, TransactionOptions } from './transactions/transaction';
export { Transactions } from './transactions/transactions';
export type { EncodedValue, Transcoder } from './transactions/transcoder';
export { commonFlagsTranscoder } from './transactions/transcoder';
