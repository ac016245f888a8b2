import { invalidArgument, shown } from '../../arguments';
import { type HostPort, nameOfServer } from '../connection-string';
import type { ClusterMap, ClusterNode, NodeAddress } from './cluster-map';
import { notUnderstood } from './json';

/** The network of the nodes' own addresses. */
const INTERNAL = 'default';
const LONGEST_NAME = 128;

/**
 * The option `network`: in which network the cluster is spoken to. 'default': where the nodes reach each other; a name: where they are in the
 * network of this name, as 'external'; 'auto': in the one that the url's address belongs to. Throws InvalidArgumentError (`network`).
 */
export function checkNetwork(given: unknown = 'auto'): string {
  if (typeof given !== 'string' || given === '' || given.length > LONGEST_NAME)
    throw invalidArgument('network', `network is 'auto', 'default' or the name of one, not ${shown(given)}`);
  return given;
}

/**
 * To be asked once, with the first configuration and the address at which its teller was reached: a cluster that changes its mind must
 * not move a client that reaches it to where it does not. Throws InvalidArgumentError (`network`) for one that the cluster does not have.
 */
export function chooseNetwork({ nodes }: ClusterMap, wanted: string, seed: HostPort): string {
  if (wanted === 'auto') return networkOf(nodes, seed);
  if (wanted === INTERNAL || nodes.some(({ alternates }) => alternates.has(wanted))) return wanted;
  const names = new Set([INTERNAL, ...nodes.flatMap(({ alternates }) => [...alternates.keys()])]);
  const known = [...names].map(shown).join(', ');
  throw invalidArgument('network', `network: the cluster has no ${shown(wanted)} (it has ${known})`);
}

/**
 * A node that does not tell its name has that of the seed in both networks, so the port counts before the name alone does.
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

/** Where the node is reached, or undefined where it does not listen for that. One that is not in the network is at its own address. */
export function addressIn(node: ClusterNode, network: string, isEncrypted: boolean): HostPort | undefined {
  const { host, ports } = node.alternates.get(network) ?? node.internal;
  const port = isEncrypted ? ports.kvTls : ports.kv;
  return port === undefined ? undefined : { host, port };
}

/**
 * Where the servers of the map are reached, in their order. Throws ConnectionError when two of them are in one place: what is
 * meant for one would be sent to the other.
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
    if (names.has(name)) throw notUnderstood(`in the network ${shown(network)} two servers are at ${name}`);
    names.add(name);
  }
  return Object.freeze(addresses);
}
