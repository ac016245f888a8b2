import type { TopologyMonitor } from './cluster/topology';
import type { Capabilities, MultiRecord, Transport } from './engines/engine';
import { ClosedError, UnsupportedError } from './errors';
import type { EventBase } from './event-base/event-base';
import { Events } from './events/events';
import { Hooks } from './events/hooks';
import { Hub } from './events/hub';
import type { OperationTrace } from './observability/channels';
import { Observer } from './observability/observer';
import type { SlowOperations } from './observability/slow-operations';
import type { DatabaseStats } from './observability/stats';
import { clearTimeout, setTimeout } from './platform';
import type { ClassDefinition } from './schema/class';
import { traced } from './stacks';
import { Loads } from './transactions/loads';
import { ObservedTarget, observedRecords } from './transactions/observed';
import { type Kind, nameOf } from './transactions/operation';
import type { Records } from './transactions/records';
import type { Target } from './transactions/target';
import { tracedRecords, tracedTarget } from './transactions/traced';

const unchanged = <T>(promise: Promise<T>): Promise<T> => promise;

/** The part of a database that belongs to one event base: its transport and its listeners. */
export class Side {
  readonly capabilities: Capabilities;
  readonly eventBase: EventBase;
  readonly transport: Transport;
  /** true: errors show the caller's stack. */
  readonly capturesStack: boolean;
  readonly observer: Observer;
  #events: Events | undefined;
  #hooks: Hooks | undefined;
  #loads: Loads | undefined;
  #isClosed = false;

  constructor(
    capabilities: Capabilities,
    eventBase: EventBase,
    transport: Transport,
    capturesStack: boolean,
    timed: SlowOperations | undefined,
  ) {
    this.capabilities = capabilities;
    this.eventBase = eventBase;
    this.transport = transport;
    this.capturesStack = capturesStack;
    this.observer = new Observer(capabilities.engine, timed);
  }

  get target(): Target {
    const target = new ObservedTarget(this.transport, this.observer);
    return this.capturesStack ? tracedTarget(target) : target;
  }

  /** The outcome of a call as the caller gets it: with the caller's stack if that is captured. */
  get outcome(): <T>(promise: Promise<T>) => Promise<T> {
    return this.capturesStack ? traced : unchanged;
  }

  /** Runs `start`; observes it as an operation while somebody subscribes, and then passes it a trace. */
  observed<T>(op: string, start: (trace?: OperationTrace) => Promise<T>, key?: string): Promise<T> {
    this.observer.count(op);
    return this.observer.isActive ? this.observer.observe({ op, key }, start) : start();
  }

  get loads(): Loads {
    this.#loads ??= new Loads(this.transport);
    return this.#loads;
  }

  recordsOf<C extends ClassDefinition>(definition: C): Records<C> {
    const records = observedRecords(this.multiRecord('classes').records(definition), this.observer);
    return this.capturesStack ? tracedRecords(records) : records;
  }

  get topology(): TopologyMonitor {
    const { topology } = this.transport;
    if (topology !== undefined) return topology;
    throw new UnsupportedError(
      `the ${this.capabilities.engine} engine has no topology: it runs in this process`,
    );
  }

  stats(): DatabaseStats {
    const { engine } = this.capabilities;
    const calls = this.observer.calls((kind) => nameOf(kind as Kind));
    return { engine, calls, ...this.transport.stats() };
  }

  /** The names of the servers. UnsupportedError on engines without servers. */
  get servers(): readonly string[] {
    const { topology } = this.transport;
    if (topology !== undefined) return topology.current.nodes.map(({ name }) => name);
    throw new UnsupportedError(
      `the ${this.capabilities.engine} engine has no servers: it runs in this process`,
    );
  }

  /** Throws UnsupportedError naming `feature` on engines without multi-record operations. */
  multiRecord(feature: string): MultiRecord {
    const { multiRecord } = this.transport;
    if (multiRecord !== undefined) return multiRecord;
    throw new UnsupportedError(`the ${this.capabilities.engine} engine has no ${feature}`);
  }

  get events(): Events {
    if (this.#events === undefined) {
      const { classes, changes } = this.multiRecord('events');
      if (this.#isClosed) throw new ClosedError('the database is closed');
      this.#events = new Events(new Hub(changes, this.eventBase), classes);
    }
    return this.#events;
  }

  get classes(): readonly ClassDefinition[] {
    return this.transport.multiRecord?.classes ?? [];
  }

  get hooks(): Hooks {
    const { hooksOf } = this.multiRecord('hooks');
    if (this.#isClosed) throw new ClosedError('the database is closed');
    this.#hooks ??= new Hooks(hooksOf);
    return this.#hooks;
  }

  /**
   * Refuses new operations, ends the subscriptions, then closes the transport. Each step takes at most `timeout` ms.
   */
  async close(timeout: number): Promise<void> {
    this.#isClosed = true;
    if (this.#events !== undefined) {
      this.transport.refuse();
      await this.#endEvents(this.#events, timeout);
    }
    await this.transport.close(timeout);
    this.#hooks?.end();
  }

  /** Called when close() is called again. A handler that calls it is not waited for any more. */
  closeAgain(): void {
    void this.#events?.end();
  }

  /** Waits for running handlers, but no longer than the timeout. */
  async #endEvents(events: Events, timeout: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeout);
    });
    await Promise.race([events.end(), late]);
    clearTimeout(timer);
  }
}
