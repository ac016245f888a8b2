import { AsyncResource } from 'node:async_hooks';
import type { Registration } from '../event-base/event-base';
import { tellTopology } from '../observability/channels';
import { dateNow, nextTick } from '../platform';

/**
 * 'connecting': until the first attempt has succeeded or failed. 'disconnected': no connection, and attempts continue.
 * 'closed': for good.
 */
export type NodeState = 'connecting' | 'connected' | 'disconnected' | 'closed';

/** The state of one server as one event base sees it. */
export interface NodeStatus {
  /** The server, as `host:port` or the path of its socket. */
  readonly name: string;
  readonly state: NodeState;
  /** The server's version from the latest handshake. */
  readonly version: string | undefined;
  /** Why the latest attempt failed or the latest connection ended; kept after a reconnect. */
  readonly lastFault: Error | undefined;
  /** When it entered this state. */
  readonly since: Date;
  /** true: other servers have its keys because it cannot be reached (`deadServer: 'eject'`). */
  readonly isEjected: boolean;
}

/** The servers of a database at one moment. Immutable; a change replaces it. */
export interface Topology {
  readonly nodes: readonly NodeStatus[];
}

export type TopologyListener = (topology: Topology) => void;

/** The message of the channel `evenkeel:topology` after each change; each event base has its own topology. */
export interface TopologyMessage {
  readonly engine: string;
  readonly topology: Topology;
}

/** Keeps the current topology and notifies listeners of changes. */
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

  /** Replaces the servers or the set of ejected ones; servers that stay keep their state. */
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

  /** Notifies listeners when the state changes; another fault in the same state is only recorded. */
  update(name: string, change: Partial<NodeStatus> & { readonly state: NodeState }): void {
    const before = this.#current.nodes.find((node) => node.name === name);
    if (before === undefined || before.state === 'closed') return;
    const isNews = before.state !== change.state;
    const after = { ...before, ...change, since: isNews ? new Date(dateNow()) : before.since };
    this.#current = topologyOf(this.#current.nodes.map((node) => (node === before ? after : node)));
    if (isNews) this.#tell(this.#current);
  }

  /**
   * Calls back after each change, in the asynchronous context of this call and never synchronously. An error that a
   * listener throws is an uncaught exception and affects nothing else.
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
