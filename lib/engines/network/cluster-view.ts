import type { NodeCounts } from '../../observability/stats';
import type { Connector } from './connector';

/** The servers of a client by connection id, as in completion records. */
export interface ClusterView {
  /** The name for errors. */
  nameOf(connection: number): string;
  serverOf(connection: number): Connector | undefined;
  /** Why there is no connection to it; undefined while there is one, and before the first attempt has failed. */
  faultOf(connection: number): Error | undefined;
  /** The counters to update. */
  countsOf(connection: number): NodeCounts;
}
