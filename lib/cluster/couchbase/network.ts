import { invalidArgument, shown } from '../../arguments';
import { type HostPort, nameOfServer } from '../connection-string';
import type { ClusterMap, ClusterNode, NodeAddress } from './cluster-map';
import { malformed } from './json';

/** The network of the nodes' internal addresses. */
const INTERNAL = 'default';
const LONGEST_NAME = 128;

/**
 * Checks the option `network`: 'default' for the addresses that the nodes use among themselves, a name such as
 * 'external' for the alternate addresses of that network, 'auto' for the network that contains the address in the URL.
 * Throws InvalidArgumentError (`network`).
 */
export function checkNetwork(given: unknown = 'auto'): string {
  if (typeof given !== 'string' || given === '' || given.length > LONGEST_NAME)
    throw invalidArgument('network', `network is 'auto', 'default' or the name of one, not ${shown(given)}`);
  return given;
}

/**
 * The network for a client. To be called only once, with the first configuration and the address at which its sender was
 * reached: a later change of addresses must not move a working client to a network that it cannot reach. Throws
 * InvalidArgumentError (`network`) if the cluster has no network of that name.
 */
export function chooseNetwork({ nodes }: ClusterMap, wanted: string, seed: HostPort): string {
  if (wanted === 'auto') return networkOf(nodes, seed);
  if (wanted === INTERNAL || nodes.some(({ alternates }) => alternates.has(wanted))) return wanted;
  const names = new Set([INTERNAL, ...nodes.flatMap(({ alternates }) => [...alternates.keys()])]);
  const known = [...names].map(shown).join(', ');
  throw invalidArgument('network', `network: the cluster has no ${shown(wanted)} (it has ${known})`);
}

/**
 * Matches host and port before host alone: a node without a hostname has the host of the seed in the internal network.
 */
function networkOf(nodes: readonly ClusterNode[], seed: HostPort): string {
  for (const matches of [isAt, isOn]) {
    if (nodes.some(({ internal }) => matches(internal, seed))) return INTERNAL;
    for (const { alternates } of nodes)
      for (const [name, address] of alternates) if (matches(address, seed)) return name;
  }
  return INTERNAL;
}

const isOn = ({ host }: NodeAddress, seed: HostPort): boolean =>
  host.toLowerCase() === seed.host.toLowerCase();

const isAt = (address: NodeAddress, seed: HostPort): boolean =>
  isOn(address, seed) && (address.ports.kv === seed.port || address.ports.kvTls === seed.port);

/**
 * The address to connect to; undefined if the node has no such port. A node without an address in the network uses its
 * internal one.
 */
export function addressIn(node: ClusterNode, network: string, isEncrypted: boolean): HostPort | undefined {
  const { host, ports } = node.alternates.get(network) ?? node.internal;
  const port = isEncrypted ? ports.kvTls : ports.kv;
  return port === undefined ? undefined : { host, port };
}

/**
 * The addresses of the map's servers, in the same order. Throws ConnectionError if there is none, or if two servers have
 * the same address, because requests for one would go to the other.
 */
export function serversIn(
  { servers }: ClusterMap,
  network: string,
  isEncrypted: boolean,
): readonly (HostPort | undefined)[] {
  const addresses = servers.map((node) => addressIn(node, network, isEncrypted));
  const names = new Set<string>();
  for (const address of addresses) {
    if (address === undefined) continue;
    const name = nameOfServer(address);
    if (names.has(name))
      throw malformed(`two servers have the address ${name} in the network ${shown(network)}`);
    names.add(name);
  }
  if (names.size === 0) throw malformed(`no server has a port for ${isEncrypted ? 'TLS' : 'data'}`);
  return Object.freeze(addresses);
}
