import { UnsupportedError } from '../../errors';
import type { HostPort } from '../connection-string';
import type { BucketMap, ClusterMap, ClusterNode, NodeAddress, Ports } from './cluster-map';
import {
  arrayOf,
  bigintOf,
  hostOf,
  integerOf,
  type JsonObject,
  malformed,
  objectOf,
  optionalObject,
  parseDocument,
  textOf,
  unexpected,
} from './json';
import { parsePartitionMap } from './partition-rows';
import type { Revision } from './revision';

const MOST_NODES = 1024;
const MOST_CAPABILITIES = 1024;
const MOST_NETWORKS = 64;
const LARGEST_REVISION = (1n << 63n) - 1n;
/** Stands for the host at which the sending node was reached. */
const ORIGIN = '$HOST';

/**
 * Parses the terse configuration of a cluster or bucket, which ns_server writes and GET_CLUSTER_CONFIG returns.
 * `origin`: the address at which the sending node was reached. Throws ConnectionError if any part is malformed, because
 * half a configuration would send keys to the wrong servers, and UnsupportedError for a bucket type without partitions.
 */
export function parseConfiguration(document: string | Uint8Array, origin: HostPort): ClusterMap {
  const config = parseDocument(document);
  const nodes = Object.freeze(parseNodes(config, origin));
  const map = optionalObject(config.vBucketServerMap, 'vBucketServerMap');
  const servers = Object.freeze(serversOf(config, map, nodes, origin));
  return Object.freeze({
    revision: parseRevision(config),
    nodes,
    servers,
    bucket: parseBucket(config, map, servers.length),
    clusterCapabilities: parseClusterCapabilities(config.clusterCapabilities),
  });
}

function parseRevision({ rev, revEpoch }: JsonObject): Revision {
  const read = (value: unknown, path: string): bigint =>
    value === undefined ? -1n : bigintOf(value, path, -1n, LARGEST_REVISION);
  return Object.freeze({ epoch: read(revEpoch, 'revEpoch'), rev: read(rev, 'rev') });
}

function parseNodes({ nodes, nodesExt }: JsonObject, origin: HostPort): readonly ClusterNode[] {
  const parsed =
    nodesExt === undefined
      ? arrayOf(nodes, 'nodes', MOST_NODES).map((node, at) => parseOldNode(node, `nodes[${at}]`, origin))
      : arrayOf(nodesExt, 'nodesExt', MOST_NODES).map((node, at) =>
          parseNode(node, `nodesExt[${at}]`, origin),
        );
  if (parsed.length === 0) throw malformed('no nodes');
  const names = new Set<string>();
  for (const { internal } of parsed) {
    const name = nameOf(internal);
    if (name !== undefined && names.has(name)) throw malformed(`${name} twice`);
    if (name !== undefined) names.add(name);
  }
  return parsed;
}

const nameOf = ({ host, ports }: NodeAddress): string | undefined =>
  ports.kv === undefined ? undefined : `${host} ${ports.kv}`;

function parseNode(value: unknown, path: string, origin: HostPort): ClusterNode {
  const node = objectOf(value, path);
  const { hostname = ORIGIN, thisNode, serverGroup } = node;
  const ports = parsePorts(optionalObject(node.services, `${path}.services`) ?? {}, `${path}.services`);
  return Object.freeze({
    internal: Object.freeze({ host: hostIn(hostname, `${path}.hostname`, origin), ports }),
    alternates: parseAlternates(node.alternateAddresses, `${path}.alternateAddresses`, ports),
    isOrigin: thisNode === true,
    serverGroup: serverGroup === undefined ? undefined : textOf(serverGroup, `${path}.serverGroup`),
  });
}

/** Parses an entry of `nodes`; servers before 3.0 have no `nodesExt`. */
function parseOldNode(value: unknown, path: string, origin: HostPort): ClusterNode {
  const node = objectOf(value, path);
  const { host, port } = splitHostPort(node.hostname, `${path}.hostname`, origin);
  const { direct } = optionalObject(node.ports, `${path}.ports`) ?? {};
  const kv = portOf(direct, `${path}.ports.direct`);
  return Object.freeze({
    internal: Object.freeze({
      host,
      ports: Object.freeze({ kv, kvTls: undefined, management: port, managementTls: undefined }),
    }),
    alternates: new Map<string, NodeAddress>(),
    isOrigin: node.thisNode === true,
    serverGroup: undefined,
  });
}

function parseAlternates(value: unknown, path: string, internal: Ports): ReadonlyMap<string, NodeAddress> {
  const networks = Object.entries(optionalObject(value, path) ?? {});
  if (networks.length > MOST_NETWORKS) throw malformed(`${path} has more than ${MOST_NETWORKS} networks`);
  return new Map(
    networks.map(([name, each]): [string, NodeAddress] => {
      const { hostname, ports } = objectOf(each, `${path}.${name}`);
      const own = parsePorts(
        optionalObject(ports, `${path}.${name}.ports`) ?? {},
        `${path}.${name}.ports`,
        internal,
      );
      const host = hostOf(withoutBrackets(hostname), `${path}.${name}.hostname`);
      return [name, Object.freeze({ host, ports: own })];
    }),
  );
}

/** Missing ports are taken from `otherwise`. */
function parsePorts(services: JsonObject, path: string, otherwise?: Ports): Ports {
  const { kv, kvSSL, mgmt, mgmtSSL } = services;
  return Object.freeze({
    kv: portOf(kv, `${path}.kv`) ?? otherwise?.kv,
    kvTls: portOf(kvSSL, `${path}.kvSSL`) ?? otherwise?.kvTls,
    management: portOf(mgmt, `${path}.mgmt`) ?? otherwise?.management,
    managementTls: portOf(mgmtSSL, `${path}.mgmtSSL`) ?? otherwise?.managementTls,
  });
}

const portOf = (value: unknown, path: string): number | undefined =>
  value === undefined ? undefined : integerOf(value, path, 1, 65535);

function hostIn(value: unknown, path: string, origin: HostPort): string {
  return value === ORIGIN ? origin.host : hostOf(withoutBrackets(value), path);
}

const withoutBrackets = (value: unknown): unknown =>
  typeof value === 'string' && value.startsWith('[') && value.endsWith(']') ? value.slice(1, -1) : value;

/** Parses `host:port`, with IPv6 in brackets. */
function splitHostPort(value: unknown, path: string, origin: HostPort): HostPort {
  const text = textOf(value, path);
  const colon = text.lastIndexOf(':');
  const digits = text.slice(colon + 1);
  if (colon === -1 || !/^\d{1,5}$/.test(digits)) throw unexpected(path, 'a host and a port', value);
  return {
    host: hostIn(text.slice(0, colon), path, origin),
    port: integerOf(Number(digits), path, 1, 65535),
  };
}

/**
 * The nodes that serve data; in `nodesExt`, nodes that are still being added come after them. The order is that of
 * `serverList`, to which the indexes of the partition map refer and which may differ from that of old configurations.
 */
function serversOf(
  { nodes: old }: JsonObject,
  map: JsonObject | undefined,
  nodes: readonly ClusterNode[],
  origin: HostPort,
): readonly ClusterNode[] {
  const hasData = ({ internal: { ports } }: ClusterNode): boolean => (ports.kv ?? ports.kvTls) !== undefined;
  const first =
    old === undefined ? nodes.filter(hasData) : nodes.slice(0, arrayOf(old, 'nodes', MOST_NODES).length);
  if (map?.serverList === undefined) return first;
  const byName = new Map<string, ClusterNode>();
  for (const node of first)
    for (const port of [node.internal.ports.kv, node.internal.ports.kvTls])
      if (port !== undefined) byName.set(`${node.internal.host} ${port}`, node);
  const servers = arrayOf(map.serverList, 'vBucketServerMap.serverList', MOST_NODES).map((entry, at) => {
    const path = `vBucketServerMap.serverList[${at}]`;
    const { host, port } = splitHostPort(entry, path, origin);
    const node = byName.get(`${host} ${port}`) ?? first[at];
    if (node === undefined) throw malformed(`${path} is not one of the nodes that serve data`);
    return node;
  });
  if (new Set(servers).size < servers.length)
    throw malformed('one node appears twice in vBucketServerMap.serverList');
  return servers;
}

function parseBucket(
  config: JsonObject,
  map: JsonObject | undefined,
  servers: number,
): BucketMap | undefined {
  const { name, uuid, nodeLocator = 'vbucket', bucketCapabilities = [] } = config;
  if (name === undefined && map === undefined) return undefined;
  if (nodeLocator === 'ketama')
    throw new UnsupportedError('memcached buckets of Couchbase are not supported');
  if (nodeLocator !== 'vbucket') throw unexpected('nodeLocator', "'vbucket'", nodeLocator);
  return Object.freeze({
    name: textOf(name, 'name'),
    uuid: uuid === undefined ? undefined : textOf(uuid, 'uuid'),
    capabilities: parseNames(bucketCapabilities, 'bucketCapabilities'),
    partitions: map && parsePartitionMap(map, servers),
  });
}

function parseClusterCapabilities(value: unknown): ClusterMap['clusterCapabilities'] {
  const services = Object.entries(optionalObject(value, 'clusterCapabilities') ?? {});
  if (services.length > MOST_CAPABILITIES) throw malformed('too many services in clusterCapabilities');
  return new Map(services.map(([name, each]) => [name, parseNames(each, `clusterCapabilities.${name}`)]));
}

const parseNames = (value: unknown, path: string): ReadonlySet<string> =>
  new Set(arrayOf(value, path, MOST_CAPABILITIES).map((each, at) => textOf(each, `${path}[${at}]`)));
