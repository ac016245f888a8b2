import type { NodeCounts } from '../../observability/stats';

/** The servers of a client, by the ids that completion records name them with. */
export interface ClusterView {
  /** As errors name it. */
  nameOf(node: number): string;
  /** Why there is no connection to it; undefined while there is one, or before the first attempt has failed. */
  faultOf(node: number): Error | undefined;
  /** To be counted in. */
  countsOf(node: number): NodeCounts;
}
