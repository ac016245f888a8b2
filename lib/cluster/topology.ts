import { AsyncResource } from 'node:async_hooks';
import type { Registration } from '../event-base/event-base';
import { tellTopology } from '../observability/channels';
import { dateNow, nextTick } from '../platform';

/**
 * 'connecting' until the first attempt has succeeded or failed; 'disconnected' while there is no connection and attempts go
 * on; 'closed' for good.
 */
export type NodeState = 'connecting' | 'connected' | 'disconnected' | 'closed';

/** What an event base knows of one server. */
export interface NodeStatus {
  /** The server, as `host:port` or the path of its socket. */
  readonly name: string;
  readonly state: NodeState;
  /** The server's version, as of the last handshake. */
  readonly version: string | undefined;
  /** Why the last attempt failed, or the last connection ended; kept when there is another. */
  readonly lastFault: Error | undefined;
  /** Since when it is in this state. */
  readonly since: Date;
  /** Its keys are with others, because it cannot be reached (`deadServer: 'eject'`). */
  readonly isEjected: boolean;
}

/** The servers of a database, at one moment: it never changes, the next takes its place. */
export interface Topology {
  readonly nodes: readonly NodeStatus[];
}

export type TopologyListener = (topology: Topology) => void;

/** What the channel `evenkeel:topology` gets after each change; every event base has a topology of its own. */
export interface TopologyMessage {
  readonly engine: string;
  readonly topology: Topology;
}

/** Keeps what is known of the nodes, and tells of it. */
export class TopologyMonitor {
  readonly #listeners = new Set<TopologyListener>();
  readonly #engine: string;
  #current: Topology;

  constructor(engine: string) {
    this.#engine = engine;
    this.#current = topologyOf([]);
  }

  get current(): Topology {
    return this.#current;
  }

  /** Other servers, or other ones that have keys: those that stay are in the state they were in. */
  replace(names: readonly string[], ejected: ReadonlySet<string>): void {
    const before = this.#current.nodes;
    const nodes = names.map((name) => {
      const known = before.find((node) => node.name === name) ?? unknown(name);
      const isEjected = ejected.has(name);
      return known.isEjected === isEjected ? known : { ...known, isEjected };
    });
    if (nodes.length === before.length && nodes.every((node, index) => node === before[index])) return;
    this.#current = topologyOf(nodes);
    if (before.length > 0) this.#tell(this.#current);
  }

  /** Tells of it when the state changes: another fault in the same state is noted only. */
  update(name: string, change: Partial<NodeStatus> & { readonly state: NodeState }): void {
    const before = this.#current.nodes.find((node) => node.name === name);
    if (before === undefined || before.state === 'closed') return;
    const isNews = before.state !== change.state;
    const after = { ...before, ...change, since: isNews ? new Date(dateNow()) : before.since };
    this.#current = topologyOf(this.#current.nodes.map((node) => (node === before ? after : node)));
    if (isNews) this.#tell(this.#current);
  }

  /**
   * Calls back after each change, with the context of this call. Never from inside anything: what a listener throws is
   * uncaught, and nobody else's.
   */
  listen(listener: TopologyListener): Registration {
    const context = new AsyncResource('EVENKEEL_TOPOLOGY');
    const each: TopologyListener = (topology) => context.runInAsyncScope(listener, undefined, topology);
    this.#listeners.add(each);
    const cancel = (): void => void this.#listeners.delete(each);
    return { cancel, [Symbol.dispose]: cancel };
  }

  #tell(topology: Topology): void {
    nextTick(() => tellTopology({ engine: this.#engine, topology } satisfies TopologyMessage));
    for (const listener of this.#listeners)
      nextTick(() => {
        if (this.#listeners.has(listener)) listener(topology);
      });
  }
}

const unknown = (name: string): NodeStatus => ({
  name,
  state: 'connecting',
  version: undefined,
  lastFault: undefined,
  since: new Date(dateNow()),
  isEjected: false,
});

const topologyOf = (nodes: readonly NodeStatus[]): Topology =>
  Object.freeze({ nodes: Object.freeze(nodes.map((node) => Object.freeze(node))) });
