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

/** How keys are placed among several servers. */
export interface FleetOptions {
  /** The rule by which a key belongs to a server: that of another client, to find what it has stored. Default 'ketama'. */
  readonly placement?: PlacementName | undefined;
  /** Shares of the keys, by the names of servers as `host:port` or path: whole numbers from 1, 1 for those not named. */
  readonly weights?: Readonly<Record<string, number>> | undefined;
  /**
   * What becomes of the keys of a server that cannot be reached. 'fail': their operations fail. 'eject': after `ejectAfter`
   * failed attempts to connect the keys go to the other servers, and come back when there is a connection again; what was
   * written elsewhere meanwhile is then not seen, and what the server still has may be old. Default 'fail'.
   */
  readonly deadServer?: 'fail' | 'eject' | undefined;
  /** Default 3. */
  readonly ejectAfter?: number | undefined;
  /**
   * true: the url names a configuration endpoint, as ElastiCache and Memorystore have one, which tells what servers there
   * are. It is asked again every `interval` ms (60000). Default false.
   */
  readonly discovery?: boolean | { readonly interval?: number | undefined } | undefined;
}

const DISCOVERY = optionNames<Exclude<FleetOptions['discovery'], boolean | undefined>>({ interval: true });

/** ms between two questions; undefined: the url names the servers. Throws InvalidArgumentError, which names the option. */
export function discoveryIntervalOf({ discovery = false, weights }: FleetOptions): number | undefined {
  if (discovery === false) return undefined;
  if (discovery !== true) checkOptions(discovery, DISCOVERY, 'discovery');
  if (weights !== undefined)
    throw invalidArgument('weights', 'weights: with discovery the url names no servers that could have any');
  const interval = discovery === true ? undefined : discovery.interval;
  return checkTimeout(interval === undefined ? 60_000 : interval, 'discovery.interval');
}

/** Throws InvalidArgumentError, which names the option. */
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

/** Throws InvalidArgumentError (`weights`) for the name of no server. */
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
