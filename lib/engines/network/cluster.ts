import type { Fleet, FleetMap, Sight } from '../../cluster/fleet';
import type { KeyHash } from '../../cluster/placement/key-hash';
import { nameToVerify, type Tls } from '../../cluster/tls';
import { TopologyMonitor } from '../../cluster/topology';
import { AuthenticationError, ConnectionError, type EvenkeelError } from '../../errors';
import type { Timers } from '../../event-base/event-base';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { bucketsOf, latencyOf } from '../../observability/latency';
import { type NodeCounts, type NodeStats, nodeCounts } from '../../observability/stats';
import type { Operation } from '../../transactions/operation';
import type { Ending } from './causes';
import type { ClusterView } from './cluster-view';
import { Connector, type ConnectorOptions, type Surroundings } from './connector';
import type { Dialect } from './dialect';
import { type Change, WireChoice } from './wire-choice';

const KEY_HASHES: Readonly<Record<KeyHash, number>> = {
  md5: layout.KEY_HASH_MD5,
  'one-at-a-time': layout.KEY_HASH_ONE_AT_ATIME,
  java: layout.KEY_HASH_JAVA,
};

export interface ClusterOptions extends ConnectorOptions {
  readonly tls: Tls | undefined;
  readonly connectionsPerNode: number;
}

interface Speaker {
  readonly name: string;
  readonly wire: string;
  /** It has said that it speaks that. */
  readonly isKnown: boolean;
  readonly version: string | undefined;
}

/** The servers of one client: tells native code of them as they come and go, and where keys are among them. */
export class Cluster implements ClusterView {
  readonly topology: TopologyMonitor;
  readonly #fleet: Fleet;
  readonly #native: NativeClient;
  readonly #options: ClusterOptions;
  readonly #dialect: Dialect;
  readonly #surroundings: Surroundings;
  readonly #stopListening: () => void;
  /** By name: those of the fleet. */
  readonly #current = new Map<string, Connector>();
  /** By id: those, and the ones that still end what they have. */
  readonly #known: (Connector | undefined)[] = [];
  /** Gone ones from which all came back that waited: how soon they are to be connected to in the other protocol. */
  readonly #gaveBack = new WeakMap<Connector, Change>();
  /** The one that operations go to while they are handed back. */
  #only: Connector | undefined;
  /** Why nobody gets a connection any more. */
  #refusal: EvenkeelError | undefined;
  /** Of servers that are gone. */
  readonly #ofOthers = nodeCounts();
  #mayReturn = false;
  /** Native code has returned operations, which are to be submitted again before any new one. */
  hasReturned = false;

  /** `timers`: where those are that belong to no operation. */
  constructor(fleet: Fleet, native: NativeClient, options: ClusterOptions, dialect: Dialect, timers: Timers) {
    this.#fleet = fleet;
    this.#native = native;
    this.#options = options;
    this.#dialect = dialect;
    this.topology = new TopologyMonitor(dialect.engine);
    this.#surroundings = {
      native,
      options,
      timers,
      monitor: this.topology,
      engine: dialect.engine,
      noOtherWire: dialect.noOtherWire,
      sees: (name: string, sight: Sight) => fleet.sees(this, name, sight),
    };
    this.#stopListening = fleet.listen((map) => this.#apply(map));
    this.#apply(fleet.map);
  }

  nameOf(connection: number): string {
    return this.#known[this.#idOf(connection)]?.name ?? '';
  }

  faultOf(connection: number): Error | undefined {
    return this.#known[this.#idOf(connection)]?.fault;
  }

  serverOf(connection: number): Connector | undefined {
    return this.#known[this.#idOf(connection)];
  }

  countsOf(connection: number): NodeCounts {
    return this.#known[this.#idOf(connection)]?.counts ?? this.#ofOthers;
  }

  /** Of the servers that there are. */
  stats(): NodeStats[] {
    return this.topology.current.nodes.flatMap(({ name, state }) => {
      const connector = this.#current.get(name);
      return connector === undefined ? [] : [nodeStats(name, state, connector, this.#native)];
    });
  }

  /** undefined: it is not one of the fleet's, or not any more. */
  idOf(name: string): number | undefined {
    return (this.#only?.name === name ? this.#only : this.#current.get(name))?.id;
  }

  /** The server, where there is but one. */
  get onlyName(): string | undefined {
    const [name, ...others] = this.#current.keys();
    return others.length === 0 ? name : undefined;
  }

  /** What waits for a server may come back, to be said in another protocol. */
  get mayReturn(): boolean {
    return this.#mayReturn;
  }

  /** The server that an operation goes to, with the protocol it is spoken to in and the version that it said last. */
  speakerOf({ key, details }: Operation): Speaker | undefined {
    const server = details?.server;
    const id = server === undefined ? this.#native.serverOf(key) : this.idOf(server);
    const connector = id === undefined ? undefined : this.#known[id];
    if (connector === undefined) return undefined;
    const { name, choice } = connector;
    const node = this.topology.current.nodes.find((each) => each.name === name);
    return { name, wire: choice.wire.name, isKnown: choice.isKnown, version: node?.version };
  }

  /** Of a server to which there is a connection. */
  get version(): string | undefined {
    return this.#connectors.find(({ version }) => version !== undefined)?.version;
  }

  get #connectors(): Connector[] {
    return [...this.#current.values()];
  }

  /**
   * Resolves once there is a connection to a server and, unless one is enough, each has been tried. `deadline` is a time of
   * performanceNow(). Rejects as Connector.ready() does.
   */
  async ready(deadline: number): Promise<void> {
    const connectors = this.#connectors;
    if (connectors.length > 1 && !this.#dialect.isReadyWithOne)
      await Promise.allSettled(connectors.map((each) => each.ready(deadline, true)));
    if (this.version !== undefined) return;
    if (this.#refusal !== undefined) throw this.#refusal;
    try {
      await Promise.any(connectors.map((each) => each.ready(deadline)));
    } catch (error) {
      const { errors: faults } = error as AggregateError;
      throw faults.length === 1 ? faults[0] : noneOf(faults);
    }
  }

  connected(connection: number, version: string): void {
    const id = this.#idOf(connection);
    const connector = this.#connectorOf(connection);
    if (connector?.choice.connected(version) && this.#isCurrent(connector)) {
      this.#speakOtherwise(connector, 'when it is over');
    } else if (connector !== undefined) {
      this.#fleet.speaks(connector.name, connector.choice.wire.name);
      connector.connected(connection, version);
    }
    // After whoever was told of the connection has submitted something new, which goes behind what is returned here.
    this.#native.decideServer(id);
    this.hasReturned = true;
    this.#lookForUnconnected();
  }

  /** `maySpeakOtherwise`: the peer is perhaps a server that speaks another protocol. */
  disconnected(connection: number, ending: Ending, maySpeakOtherwise: boolean): void {
    const connector = this.#connectorOf(connection);
    if (connector === undefined) return;
    const { wire } = connector.choice;
    const isRefusal =
      maySpeakOtherwise && connector.version === undefined && !this.#dialect.isFull(ending.said);
    const change = isRefusal ? connector.choice.refused(ending.cause) : undefined;
    if (change !== 'at once') connector.disconnected(connection, ending);
    if (change !== undefined) connector.refusedIn(wire.name, ending);
    if (change !== undefined && this.#isCurrent(connector)) this.#speakOtherwise(connector, change);
    else if (change !== undefined) this.#giveBack(connector, change);
    this.#lookForUnconnected();
  }

  /** What the server of the connection had is over: its id is free. */
  retired(connection: number): void {
    const id = this.#idOf(connection);
    const connector = this.#known[id];
    this.#known[id] = undefined;
    if (connector?.id === id && !this.#isCurrent(connector)) connector.stop();
    connector?.follow(id);
  }

  /** undefined: the connection is one to a server that is spoken to in another protocol by now. */
  #connectorOf(connection: number): Connector | undefined {
    const id = this.#idOf(connection);
    const connector = this.#known[id];
    return connector?.id === id && !this.#gaveBack.has(connector) ? connector : undefined;
  }

  #isCurrent(connector: Connector): boolean {
    return this.#current.get(connector.name) === connector;
  }

  /** Operations go to it under another id. What waits for it comes back at once, unless it is to be over first. */
  #speakOtherwise(connector: Connector, when: Change | 'when it is over'): void {
    const { id: before, choice } = connector;
    const id = this.#addServer(connector.host, choice);
    this.#known[id] = connector;
    connector.moveTo(id, when);
    this.#route();
    if (when !== 'when it is over') this.#abandon(before);
    this.#native.retireServer(before);
  }

  /** Nothing but what waits for it needs it under another id. */
  #giveBack(connector: Connector, change: Change): void {
    this.#gaveBack.set(connector, change);
    this.#abandon(connector.id);
  }

  #abandon(id: number): void {
    this.#native.abandonServer(id);
    this.hasReturned = true;
  }

  /**
   * What has come back of a server is submitted by `submit`, for the same server, be it not one of the fleet's any more: those that
   * have its keys now may have had later operations for them.
   */
  handBack(connector: Connector, submit: () => void): void {
    if (this.#isCurrent(connector)) {
      submit();
      return;
    }
    const id = this.#addServer(connector.host, connector.choice);
    this.#known[id] = connector;
    connector.moveTo(id, this.#gaveBack.get(connector) ?? 'at once');
    this.#gaveBack.delete(connector);
    this.#only = connector;
    this.#native.routeBy(Uint16Array.of(id), hashOf(this.#fleet.map.placement));
    submit();
    this.#only = undefined;
    this.#route();
    this.#native.retireServer(id);
  }

  #lookForUnconnected(): void {
    this.#mayReturn = this.#connectors.some(({ version }) => version === undefined);
  }

  /** The id of the server that a connection is one to. */
  #idOf(connection: number): number {
    return Math.trunc(connection / this.#options.connectionsPerNode);
  }

  /** Who still waits for a connection waits in vain. */
  refuse(error: EvenkeelError): void {
    this.#stopListening();
    this.#refusal ??= error;
    for (const connector of this.#connectors) connector.refuse(error);
  }

  /** The client has ended. */
  stop(): void {
    this.#stopListening();
    for (const connector of this.#known) connector?.stop();
    this.#fleet.forget(this);
  }

  #apply({ members, placed }: FleetMap): void {
    const names = new Set(members.map(({ name }) => name));
    const withKeys = new Set(placed.map(({ name }) => name));
    this.topology.replace([...names], new Set([...names].filter((name) => !withKeys.has(name))));
    for (const { name, endpoint, server } of members) {
      if (this.#current.has(name)) continue;
      const host = nameToVerify(server, this.#options.tls);
      const { wires, isBetterSpokenTo } = this.#dialect;
      const choice = new WireChoice(wires, isBetterSpokenTo, this.#fleet.wireOf(name));
      const id = this.#addServer(host, choice);
      const connector = new Connector(id, host, endpoint, choice, this.#surroundings);
      this.#current.set(name, connector);
      this.#known[id] = connector;
    }
    this.#lookForUnconnected();
    // Keys still go to those that are gone, which the next map takes out.
    if (!this.#route()) return;
    for (const connector of this.#connectors) {
      if (names.has(connector.name)) continue;
      this.#current.delete(connector.name);
      connector.retire();
      this.#native.retireServer(connector.id);
    }
  }

  /** False: native code has refused it, and keys are routed as before. */
  #route(): boolean {
    const { placed, placement } = this.#fleet.map;
    const ids = Uint16Array.from(placed, ({ name }) => this.#current.get(name)?.id ?? 0);
    if (placement.kind === 'partitions')
      return this.#native.routeByPartitions(ids, placement.rows, placement.copies);
    const ring = placement.kind === 'ring' ? placement : undefined;
    return this.#native.routeBy(ids, hashOf(placement), ring?.points, ring?.owners);
  }

  /** Its id. */
  #addServer(host: string, { wire, isGuess, isKnown }: WireChoice): number {
    const id = this.#freeId();
    this.#native.addServer(id, wire.protocol, wire.handshake, host, isGuess, !isKnown);
    return id;
  }

  #freeId(): number {
    const free = this.#known.indexOf(undefined);
    return free === -1 ? this.#known.length : free;
  }
}

function noneOf(faults: readonly unknown[]): EvenkeelError {
  const message = `connect: none of ${faults.length} servers: ${(faults[0] as Error).message}`;
  const isRefused = faults.every((fault) => fault instanceof AuthenticationError);
  const Kind = isRefused ? AuthenticationError : ConnectionError;
  return new Kind(message, { cause: new AggregateError(faults), context: { op: 'connect' } });
}

/** Where there are partitions, the hash of keys is always the same. */
const hashOf = (placement: FleetMap['placement']): number =>
  placement.kind === 'partitions' ? layout.KEY_HASH_MD5 : KEY_HASHES[placement.keyHash];

function nodeStats(name: string, state: string, connector: Connector, native: NativeClient): NodeStats {
  const { id, openConnections, counts } = connector;
  const words = new Float64Array(layout.METER_WORDS);
  native.readMeter(id, words);
  const word = (index: number): number => words[index] as number;
  return {
    name,
    state,
    openConnections,
    inFlight: word(layout.METER_IN_FLIGHT),
    queued: word(layout.METER_QUEUED),
    bytesSent: word(layout.METER_SENT),
    bytesReceived: word(layout.METER_RECEIVED),
    reads: word(layout.METER_READS),
    hits: word(layout.METER_HITS),
    ...counts,
    latency: latencyOf(bucketsOf(words)),
  };
}
