import type { HostPort } from '../../lib/cluster/connection-string.ts';
import type { ClusterMap } from '../../lib/cluster/couchbase/cluster-map.ts';
import { parseConfiguration } from '../../lib/cluster/couchbase/configuration.ts';

export const origin: HostPort = { host: '10.0.0.7', port: 11210 };

/** A terse configuration of two nodes that serve data and one that does not, as servers tell it. */
export function terse(): Record<string, unknown> {
  return {
    rev: 4711,
    revEpoch: 2,
    name: 'orders',
    uuid: 'b1946ac92492d2347c6235b4d2611184',
    nodeLocator: 'vbucket',
    bucketCapabilities: ['collections', 'durableWrite', 'xattr'],
    clusterCapabilities: { n1ql: ['enhancedPreparedStatements'] },
    nodes: [
      { hostname: '$HOST:8091', ports: { direct: 11210 } },
      { hostname: '10.0.0.8:8091', ports: { direct: 11210 } },
    ],
    nodesExt: [
      {
        services: { kv: 11210, kvSSL: 11207, mgmt: 8091, mgmtSSL: 18091 },
        thisNode: true,
        serverGroup: 'az1',
        alternateAddresses: { external: { hostname: 'db1.example.net', ports: { kv: 31211, kvSSL: 31208 } } },
      },
      {
        hostname: '10.0.0.8',
        services: { kv: 11210, kvSSL: 11207, mgmt: 8091 },
        serverGroup: 'az2',
        alternateAddresses: { external: { hostname: 'db2.example.net', ports: { kv: 31210 } } },
      },
      { hostname: '10.0.0.9', services: { n1ql: 8093, mgmt: 8091 } },
    ],
    vBucketServerMap: {
      hashAlgorithm: 'CRC',
      numReplicas: 1,
      serverList: ['$HOST:11210', '10.0.0.8:11210'],
      vBucketMap: [
        [0, 1],
        [1, 0],
        [0, -1],
        [-1, 0],
      ],
      vBucketMapForward: [
        [1, 0],
        [1, 0],
        [1, 0],
        [1, 0],
      ],
    },
  };
}

/** The same with other values, of dots in the name one within the other. */
export function terseWith(changes: Readonly<Record<string, unknown>>): string {
  const config = terse();
  for (const [path, value] of Object.entries(changes)) {
    const names = path.split('.');
    const last = names.pop() as string;
    let place = config;
    for (const name of names) place = place[name] as Record<string, unknown>;
    place[last] = value;
  }
  return JSON.stringify(config);
}

export const parsed = (
  changes: Readonly<Record<string, unknown>> = {},
  from: HostPort = origin,
): ClusterMap => parseConfiguration(terseWith(changes), from);
