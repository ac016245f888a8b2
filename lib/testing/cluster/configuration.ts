import type { Bucket } from './bucket';

/** Nobody listens there: the double has no management interface. */
const MANAGEMENT_PORT = 8091;

/** The number of a configuration: a later epoch is newer, whatever the revision. */
export interface Version {
  readonly epoch: bigint;
  readonly revision: bigint;
}

export function isNewer(one: Version, other: Version): boolean {
  return one.epoch === other.epoch ? one.revision > other.revision : one.epoch > other.epoch;
}

/** A node as clients are told of it. */
export interface NodeEntry {
  /** Its number in the layouts of buckets. */
  readonly number: number;
  readonly port: number;
  readonly securePort: number | undefined;
  /** As the others name it; undefined: by the address that the client has connected to. */
  readonly hostname: string | undefined;
  readonly alternates: Readonly<Record<string, string>>;
  readonly serverGroup: string | undefined;
}

export interface ConfigurationSource {
  readonly version: Version;
  /** Undefined: the configuration of the cluster, without a bucket. */
  readonly bucket: Bucket | undefined;
  /** Those that may have data, in the order of the map's numbers; then those that are being added. */
  readonly members: readonly NodeEntry[];
  readonly joining: readonly NodeEntry[];
  /** The number of the node that is asked. */
  readonly asked: number;
}

/** The terse configuration, as the text of JSON that a node answers. Numbers of versions may exceed 2^53. */
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
