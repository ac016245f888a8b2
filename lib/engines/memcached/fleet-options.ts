import {
  checkObject,
  checkOptions,
  checkTimeout,
  invalidArgument,
  optionNames,
  shown,
} from '../../arguments';
import { nameOfServer, type ServerAddress } from '../../cluster/connection-string';
import type { FleetPolicy } from '../../cluster/fleet';
import { checkPlacementName, type PlacedServer, type PlacementName } from '../../cluster/placement/placement';

/** How keys are distributed among several servers. */
export interface FleetOptions {
  /** The rule that maps keys to servers; choose that of another client to find its records. Default 'ketama'. */
  readonly placement?: PlacementName | undefined;
  /** Shares of the keys by server name (`host:port` or path): integers from 1. Servers not listed have 1. */
  readonly weights?: Readonly<Record<string, number>> | undefined;
  /**
   * What to do with the keys of a server that cannot be reached. 'fail': their operations fail. 'eject': after
   * `ejectAfter` failed attempts to connect, the keys move to the other servers, and move back when a connection is
   * established. Writes made elsewhere meanwhile are then no longer visible, and the server may still hold old values.
   * Default 'fail'.
   */
  readonly deadServer?: 'fail' | 'eject' | undefined;
  /** The number of consecutive failed attempts to connect. Default 3. */
  readonly ejectAfter?: number | undefined;
  /**
   * true: the URL names a configuration endpoint, as in ElastiCache and Memorystore, that announces the servers. It is
   * queried every `interval` ms (default 60000). Default false.
   */
  readonly discovery?: boolean | { readonly interval?: number | undefined } | undefined;
}

const DISCOVERY = optionNames<Exclude<FleetOptions['discovery'], boolean | undefined>>({ interval: true });

/** ms between two queries; undefined: the URL lists the servers. Throws InvalidArgumentError naming the option. */
export function discoveryIntervalOf({ discovery = false, weights }: FleetOptions): number | undefined {
  if (discovery === false) return undefined;
  if (discovery !== true) checkOptions(discovery, DISCOVERY, 'discovery');
  if (weights !== undefined)
    throw invalidArgument('weights', 'weights: with discovery the url names no servers that could have any');
  const interval = discovery === true ? undefined : discovery.interval;
  return checkTimeout(interval === undefined ? 60_000 : interval, 'discovery.interval');
}

/** Throws InvalidArgumentError naming the option. */
export function policyOf({
  placement = 'ketama',
  deadServer = 'fail',
  ejectAfter = 3,
}: FleetOptions): FleetPolicy {
  if (deadServer !== 'fail' && deadServer !== 'eject')
    throw invalidArgument('deadServer', `deadServer is 'fail' or 'eject', not ${shown(deadServer)}`);
  if (!Number.isInteger(ejectAfter) || ejectAfter < 1)
    throw invalidArgument('ejectAfter', `ejectAfter is a whole number from 1, not ${shown(ejectAfter)}`);
  return { placement: checkPlacementName(placement), deadServer, ejectAfter };
}

/** Throws InvalidArgumentError (`weights`) for a name that is not one of the servers. */
export function weighted(
  servers: readonly ServerAddress[],
  weights: FleetOptions['weights'] = {},
): readonly PlacedServer[] {
  const given = new Map(Object.entries(checkObject(weights, 'weights')));
  const placed = servers.map((server) => {
    const name = nameOfServer(server);
    const weight = given.get(name);
    given.delete(name);
    return weight === undefined ? server : { ...server, weight: weight as number };
  });
  const [stranger] = given.keys();
  if (stranger !== undefined)
    throw invalidArgument('weights', `weights: the url has no server ${shown(stranger)}`);
  return placed;
}
