import { checkObject, checkOptions, invalidArgument, optionNames, shown } from '../arguments';
import { checkHost, checkSocketPath } from './addresses';
import { DEFAULT_PORT, nameOfServer, parseServer, type ServerAddress } from './connection-string';
import { Endpoint } from './endpoint';
import {
  type Partitioned,
  type PlacedServer,
  type Placement,
  type PlacementName,
  placeKeys,
} from './placement/placement';

/** A server of a fleet, as the user specifies it. */
export interface Server {
  /** A name or a numeric address. */
  readonly host?: string | undefined;
  /** Default 11211. */
  readonly port?: number | undefined;
  /** The path of a Unix socket, instead of a host. */
  readonly path?: string | undefined;
  /** The server's share of the keys relative to the other servers: an integer from 1. Default 1. */
  readonly weight?: number | undefined;
  /** The text to hash for its place on the ring. Default: what the placement derives from host and port. */
  readonly label?: string | undefined;
}

/** What to do with the keys of a server that cannot be reached. */
export interface FleetPolicy {
  readonly placement: PlacementName | (() => Partitioned);
  readonly deadServer: 'fail' | 'eject';
  /** Consecutive failed attempts to connect. */
  readonly ejectAfter: number;
}

export interface Member {
  readonly name: string;
  readonly server: PlacedServer;
  readonly endpoint: Endpoint;
}

/** The servers of a fleet and the placement of keys among them, at one moment. Immutable; a change replaces the map. */
export interface FleetMap {
  readonly members: readonly Member[];
  /** The servers that have keys, in the order of the placement. */
  readonly placed: readonly Member[];
  readonly placement: Placement | Partitioned;
}

/** How one event base sees a server. */
export interface Sight {
  readonly isConnected: boolean;
  /** Consecutive failed attempts to connect. */
  readonly failures: number;
}

export type FleetListener = (map: FleetMap) => void;

/** The servers of a database, and which of them currently have keys; shared by all its event bases. */
export class Fleet {
  readonly #policy: FleetPolicy;
  readonly #listeners = new Set<FleetListener>();
  /** Names of servers. */
  readonly #ejected = new Set<string>();
  /** By server name, the protocol that it last spoke. */
  readonly #wires = new Map<string, string>();
  /** By server name, how each event base sees it. */
  readonly #sights = new Map<string, Map<object, Sight>>();
  #map: FleetMap;

  /** Throws InvalidArgumentError (`servers`), like set(). */
  constructor(servers: readonly PlacedServer[], policy: FleetPolicy) {
    this.#policy = policy;
    this.#map = mapOf(membersOf(servers, []), new Set(), policy);
  }

  get map(): FleetMap {
    return this.#map;
  }

  /** Replaces the list of servers; those that stay keep their connections. Throws InvalidArgumentError (`servers`). */
  set(servers: readonly PlacedServer[]): void {
    const members = membersOf(servers, this.#map.members);
    const map = mapOf(members, this.#ejected, this.#policy);
    for (const name of this.#ejected) if (!isThere(members, name)) this.#ejected.delete(name);
    for (const known of [this.#sights, this.#wires])
      for (const name of known.keys()) if (!isThere(members, name)) known.delete(name);
    this.#publish(map);
  }

  /** Updates how the event base `viewer` sees a server. */
  sees(viewer: object, name: string, sight: Sight): void {
    if (this.#policy.deadServer === 'fail' || !isThere(this.#map.members, name)) return;
    const sights = this.#sights.get(name) ?? new Map<object, Sight>();
    this.#sights.set(name, sights.set(viewer, sight));
    this.#judge([name]);
  }

  /** Records the protocol of a connection to the server. */
  speaks(name: string, wire: string): void {
    if (isThere(this.#map.members, name)) this.#wires.set(name, wire);
  }

  /** The protocol that the server last spoke, with any event base; undefined before the first connection. */
  wireOf(name: string): string | undefined {
    return this.#wires.get(name);
  }

  /** Called when an event base leaves the database. */
  forget(viewer: object): void {
    const seen = [...this.#sights].filter(([, sights]) => sights.delete(viewer));
    this.#judge(seen.map(([name]) => name));
  }

  /**
   * A server keeps its keys while any event base is connected to it. Otherwise bases that see it differently would take
   * its keys away and give them back in turn.
   */
  #judge(names: readonly string[]): void {
    const before = this.#ejected.size;
    let isNews = false;
    for (const name of names) {
      const sights = [...(this.#sights.get(name)?.values() ?? [])];
      const isDown = isSeenDown(sights, this.#policy.ejectAfter);
      // A server that no event base watches any more has not been found well, so it stays ejected.
      if (isDown) this.#ejected.add(name);
      else if (sights.some(({ isConnected }) => isConnected)) isNews = this.#ejected.delete(name) || isNews;
    }
    if (isNews || this.#ejected.size > before)
      this.#publish(mapOf(this.#map.members, this.#ejected, this.#policy));
  }

  listen(listener: FleetListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #publish(map: FleetMap): void {
    this.#map = map;
    for (const listener of this.#listeners) listener(map);
  }
}

/** Unchanged servers keep their state. */
function membersOf(servers: readonly PlacedServer[], before: readonly Member[]): readonly Member[] {
  const names = servers.map(nameOfServer);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw invalidArgument('servers', `servers: ${shown(twice)} is there twice`);
  return servers.map((server, index) => {
    const name = names[index] as string;
    const known = before.find((member) => member.name === name);
    if (known === undefined) return { name, server, endpoint: new Endpoint(server) };
    const isSame = known.server.weight === server.weight && known.server.label === server.label;
    return isSame ? known : { name, server, endpoint: known.endpoint };
  });
}

/** When all servers are ejected, all get their keys back: errors should name a server. */
function mapOf(
  members: readonly Member[],
  ejected: ReadonlySet<string>,
  { placement }: FleetPolicy,
): FleetMap {
  const alive = members.filter(({ name }) => !ejected.has(name));
  const placed = alive.length === 0 ? members : alive;
  const servers = placed.map(({ server }) => server);
  const keys = typeof placement === 'function' ? placement() : placeKeys(placement, servers);
  return { members, placed, placement: keys };
}

const isSeenDown = (sights: readonly Sight[], ejectAfter: number): boolean =>
  sights.every(({ isConnected }) => !isConnected) && sights.some(({ failures }) => failures >= ejectAfter);

const isThere = (members: readonly Member[], name: string): boolean =>
  members.some((member) => member.name === name);

const SERVER_NAMES = optionNames<Server>({ host: true, port: true, path: true, weight: true, label: true });

/** Each server is `host[:port]` or a Server object. Throws InvalidArgumentError (`servers`). */
export function checkServers(given: readonly (string | Server)[]): readonly PlacedServer[] {
  if (!Array.isArray(given)) throw invalidArgument('servers', `servers is an array, not ${shown(given)}`);
  return Array.from(given as readonly (string | Server)[], checkServer);
}

function checkServer(given: string | Server): PlacedServer {
  if (typeof given === 'string') return parseServer(given, 'servers');
  checkObject(given, 'servers');
  checkOptions(given, SERVER_NAMES, 'servers');
  const { weight, label } = given;
  return { ...addressOf(given), weight, label };
}

function addressOf({ host, port = DEFAULT_PORT, path }: Server): ServerAddress {
  if (path !== undefined) {
    if (host !== undefined)
      throw invalidArgument('servers', 'servers: a server has a host or a path, not both');
    return { path: checkSocketPath('servers', path) };
  }
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw invalidArgument('servers', `servers: a port is a whole number from 1 to 65535, not ${shown(port)}`);
  return { host: checkHost('servers', host), port };
}
