export type { ConnectOptions } from './connect';
export { connect } from './connect';
export type { CloseOptions, Scheduled } from './database';
export { BaseView, Database } from './database';
export type { Capabilities } from './engines/engine';
export type { ClientOptions } from './engines/memcached/options';
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
export { SchedulingContext } from './scheduling/context';
export type { ExpiryOptions } from './transactions/expiry';
export type {
  ConditionalOptions,
  ConditionalWriteOptions,
  CounterOptions,
  OperationOptions,
  WriteOptions,
} from './transactions/options';
export { MutationResult, RecordResult } from './transactions/results';
export { Transactions } from './transactions/transactions';
export type { EncodedValue, Transcoder } from './transactions/transcoder';
export { commonFlagsTranscoder } from './transactions/transcoder';
