import { checkObject, checkOptions, invalidArgument, optionNames, shown } from '../arguments';
import { checkHost, checkSocketPath } from './addresses';
import { DEFAULT_PORT, nameOfServer, parseServer, type ServerAddress } from './connection-string';
import { Endpoint } from './endpoint';
import { type PlacedServer, type Placement, type PlacementName, placeKeys } from './placement/placement';

/** A server of a fleet, as its user names it. */
export interface Server {
  /** A name or a numeric address. */
  readonly host?: string | undefined;
  /** Default 11211. */
  readonly port?: number | undefined;
  /** The path of a Unix socket, instead of a host. */
  readonly path?: string | undefined;
  /** Its share of the keys, relative to those of the others: a whole number from 1. Default 1. */
  readonly weight?: number | undefined;
  /** What is hashed to place it on a ring, instead of what the placement makes of host and port. */
  readonly label?: string | undefined;
}

/** What is done with the keys of a server that cannot be reached. */
export interface FleetPolicy {
  readonly placement: PlacementName;
  readonly deadServer: 'fail' | 'eject';
  /** Attempts to connect that have failed one after the other. */
  readonly ejectAfter: number;
}

export interface Member {
  readonly name: string;
  readonly server: PlacedServer;
  readonly endpoint: Endpoint;
}

/** The servers of a fleet and where keys are among them, at one moment. It never changes, the next takes its place. */
export interface FleetMap {
  readonly members: readonly Member[];
  /** Those that have keys, in the order of the placement. */
  readonly placed: readonly Member[];
  readonly placement: Placement;
}

/** How an event base sees a server. */
export interface Sight {
  readonly isConnected: boolean;
  /** Attempts to connect that have failed, one after the other. */
  readonly failures: number;
}

export type FleetListener = (map: FleetMap) => void;

/** Which servers there are, and which of them have keys just now; the same for all event bases of a database. */
export class Fleet {
  readonly #policy: FleetPolicy;
  readonly #listeners = new Set<FleetListener>();
  /** Names. */
  readonly #ejected = new Set<string>();
  /** By name of the server, the protocol that it spoke last. */
  readonly #wires = new Map<string, string>();
  /** By name, what each of the event bases sees of a server. */
  readonly #sights = new Map<string, Map<object, Sight>>();
  #map: FleetMap;

  /** Throws InvalidArgumentError (`servers`), as set() does. */
  constructor(servers: readonly PlacedServer[], policy: FleetPolicy) {
    this.#policy = policy;
    this.#map = mapOf(membersOf(servers, []), new Set(), policy);
  }

  get map(): FleetMap {
    return this.#map;
  }

  /** Other servers from here on; those that stay keep their connections. Throws InvalidArgumentError (`servers`). */
  set(servers: readonly PlacedServer[]): void {
    const members = membersOf(servers, this.#map.members);
    const map = mapOf(members, this.#ejected, this.#policy);
    for (const name of this.#ejected) if (!isThere(members, name)) this.#ejected.delete(name);
    for (const known of [this.#sights, this.#wires])
      for (const name of known.keys()) if (!isThere(members, name)) known.delete(name);
    this.#publish(map);
  }

  /** What an event base, `viewer`, sees of a server from here on. */
  sees(viewer: object, name: string, sight: Sight): void {
    if (this.#policy.deadServer === 'fail' || !isThere(this.#map.members, name)) return;
    const sights = this.#sights.get(name) ?? new Map<object, Sight>();
    this.#sights.set(name, sights.set(viewer, sight));
    this.#judge([name]);
  }

  /** A connection to the server speaks this protocol. */
  speaks(name: string, wire: string): void {
    if (isThere(this.#map.members, name)) this.#wires.set(name, wire);
  }

  /** The protocol that a server spoke last, be it with another event base; undefined where there has been no connection. */
  wireOf(name: string): string | undefined {
    return this.#wires.get(name);
  }

  /** The event base is not one of the database's any more. */
  forget(viewer: object): void {
    const seen = [...this.#sights].filter(([, sights]) => sights.delete(viewer));
    this.#judge(seen.map(([name]) => name));
  }

  /**
   * A server has its keys for as long as one event base has a connection to it: bases that see it differently would take
   * them away and give them back in turn.
   */
  #judge(names: readonly string[]): void {
    const before = this.#ejected.size;
    let isNews = false;
    for (const name of names) {
      const sights = [...(this.#sights.get(name)?.values() ?? [])];
      const isDown = isSeenDown(sights, this.#policy.ejectAfter);
      // Whom nobody looks at any more, nobody has found well.
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

/** Servers that are the same as before, keep what is known of them. */
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

/** Where all are ejected, all have their keys back: an error that names the server is more than none. */
function mapOf(
  members: readonly Member[],
  ejected: ReadonlySet<string>,
  { placement }: FleetPolicy,
): FleetMap {
  const alive = members.filter(({ name }) => !ejected.has(name));
  const placed = alive.length === 0 ? members : alive;
  const servers = placed.map(({ server }) => server);
  return { members, placed, placement: placeKeys(placement, servers) };
}

const isSeenDown = (sights: readonly Sight[], ejectAfter: number): boolean =>
  sights.every(({ isConnected }) => !isConnected) && sights.some(({ failures }) => failures >= ejectAfter);

const isThere = (members: readonly Member[], name: string): boolean =>
  members.some((member) => member.name === name);

const SERVER_NAMES = optionNames<Server>({ host: true, port: true, path: true, weight: true, label: true });

/** Each one `host[:port]` or a Server. Throws InvalidArgumentError (`servers`). */
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
