import type { NodeCounts } from '../../observability/stats';
import type { Connector } from './connector';

/** The servers of a client, by the connections that completion records name. */
export interface ClusterView {
  /** As errors name it. */
  nameOf(connection: number): string;
  serverOf(connection: number): Connector | undefined;
  /** Why there is no connection to it; undefined while there is one, or before the first attempt has failed. */
  faultOf(connection: number): Error | undefined;
  /** To be counted in. */
  countsOf(connection: number): NodeCounts;
}
