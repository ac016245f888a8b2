export type { Held } from './cluster/operations';
export type {
  BucketOptions,
  ClusterOptions,
  DocumentPlace,
  DocumentView,
  ForgedConfiguration,
} from './cluster/options';
export { ClusterOpcode, type ClusterOpcodeName, ClusterStatus, Feature } from './cluster/protocol';
export type { OfBucket, TestCluster, TestRebalance } from './cluster/test-cluster';
export { startCluster } from './cluster/test-cluster';
export type { RespawnOptions, TestNode } from './cluster/test-node';
export type { Credentials } from './credentials';
export type {
  ConnectAction,
  ConnectFault,
  FaultRule,
  HeaderLies,
  Moment,
  RequestAction,
  RequestFault,
} from './faults';
export type { RestartOptions, ServerAge, ServerOptions, ServerProtocol, StopOptions } from './operations';
export { Opcode, type OpcodeName, Status } from './protocol';
export type { ReceivedChunk, ReceivedCommand } from './recording';
export type { FaultHandle } from './test-endpoint';
export type { TestServer } from './test-server';
export { startServer } from './test-server';
