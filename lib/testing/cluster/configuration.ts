import type { Bucket } from './bucket';

/** Configurations name this port, but nothing listens there. */
const MANAGEMENT_PORT = 8091;

/** The version of a configuration. A higher epoch is newer, whatever the revision. */
export interface Version {
  readonly epoch: bigint;
  readonly revision: bigint;
}

export function isNewer(one: Version, other: Version): boolean {
  return one.epoch === other.epoch ? one.revision > other.revision : one.epoch > other.epoch;
}

/** A node in a configuration. */
export interface NodeEntry {
  /** Its number in layouts. */
  readonly number: number;
  readonly port: number;
  readonly securePort: number | undefined;
  /** Undefined: clients use the address they are connected to. */
  readonly hostname: string | undefined;
  readonly alternates: Readonly<Record<string, string>>;
  readonly serverGroup: string | undefined;
}

export interface ConfigurationSource {
  readonly version: Version;
  /** Undefined: the global configuration. */
  readonly bucket: Bucket | undefined;
  /** Members can have data, and the map refers to them by index. Joining nodes have none yet. */
  readonly members: readonly NodeEntry[];
  readonly joining: readonly NodeEntry[];
  /** The number of the node that sends the configuration. */
  readonly asked: number;
}

/** The text of a terse configuration. Versions may exceed 2^53, so they are not formatted as JavaScript numbers. */
export function configurationText(source: ConfigurationSource): string {
  const { version, bucket, members, joining, asked } = source;
  const nodesExt = [...members, ...joining].map((node) => ({
    services: {
      kv: node.port,
      ...(node.securePort !== undefined && { kvSSL: node.securePort }),
    },
    ...(node.number === asked && { thisNode: true }),
    ...(node.hostname !== undefined && { hostname: node.hostname }),
    ...(node.serverGroup !== undefined && { serverGroup: node.serverGroup }),
    ...(Object.keys(node.alternates).length > 0 && { alternateAddresses: alternatesOf(node) }),
  }));
  const common = { nodesExt, clusterCapabilitiesVer: [1, 0], clusterCapabilities: {} };
  const rest = bucket === undefined ? common : { ...common, ...bucketPart(bucket, members) };
  const numbers = `"rev":${version.revision},"revEpoch":${version.epoch}`;
  return `{${numbers},${JSON.stringify(rest).slice(1)}`;
}

function bucketPart(bucket: Bucket, members: readonly NodeEntry[]): Readonly<Record<string, unknown>> {
  const { settings, map, forward } = bucket;
  const indices = new Map(members.map(({ number }, index) => [number, index]));
  const numbered = (layout: readonly (readonly number[])[]): number[][] =>
    layout.map((row) => row.map((number) => indices.get(number) ?? -1));
  const hostOf = ({ hostname = '$HOST' }: NodeEntry): string =>
    hostname.includes(':') ? `[${hostname}]` : hostname;
  return {
    name: settings.name,
    uuid: bucket.uuid,
    nodeLocator: 'vbucket',
    bucketCapabilitiesVer: '',
    bucketCapabilities: settings.capabilities,
    collectionsManifestUid: bucket.manifest.uid.toString(16),
    nodes: members.map((node) => ({
      hostname: `${hostOf(node)}:${MANAGEMENT_PORT}`,
      ports: { direct: node.port },
    })),
    vBucketServerMap: {
      hashAlgorithm: 'CRC',
      numReplicas: settings.replicas,
      serverList: members.map((node) => `${hostOf(node)}:${node.port}`),
      vBucketMap: numbered(map),
      ...(forward !== undefined && { vBucketMapForward: numbered(forward) }),
    },
  };
}

function alternatesOf(node: NodeEntry): Readonly<Record<string, unknown>> {
  const ports = { kv: node.port, ...(node.securePort !== undefined && { kvSSL: node.securePort }) };
  return Object.fromEntries(
    Object.entries(node.alternates).map(([network, hostname]) => [network, { hostname, ports }]),
  );
}
