import { arrayOf, integerOf, type JsonObject, malformed, unexpected } from './json';
import { MOST_PARTITIONS, NOBODY, PartitionMap } from './partition-map';

/** The limit of Couchbase. */
const MOST_REPLICAS = 3;

/**
 * Parses `vBucketServerMap`; undefined if no partitions are assigned yet. `servers`: the number of servers, which limits
 * the indexes. Throws ConnectionError.
 */
export function parsePartitionMap(map: JsonObject, servers: number): PartitionMap | undefined {
  const { numReplicas = 0, hashAlgorithm = 'CRC', vBucketMap, vBucketMapForward } = map;
  if (hashAlgorithm !== 'CRC') throw unexpected('vBucketServerMap.hashAlgorithm', "'CRC'", hashAlgorithm);
  const replicas = integerOf(numReplicas, 'vBucketServerMap.numReplicas', 0, MOST_REPLICAS);
  const partitions = arrayOf(vBucketMap, 'vBucketServerMap.vBucketMap', MOST_PARTITIONS);
  if (partitions.length === 0) return undefined;
  const rows = parseRows(partitions, 'vBucketServerMap.vBucketMap', replicas, servers);
  if (vBucketMapForward === undefined) return new PartitionMap(rows, undefined, replicas);
  const path = 'vBucketServerMap.vBucketMapForward';
  const next = arrayOf(vBucketMapForward, path, MOST_PARTITIONS);
  if (next.length === 0) return new PartitionMap(rows, undefined, replicas);
  if (next.length !== partitions.length)
    throw malformed(`${path} has ${next.length} partitions, and vBucketMap ${partitions.length}`);
  return new PartitionMap(rows, parseRows(next, path, replicas, servers), replicas);
}

/** While the number of replicas changes, rows may be shorter or longer than it says. */
function parseRows(
  partitions: readonly unknown[],
  path: string,
  replicas: number,
  servers: number,
): Int16Array {
  const width = replicas + 1;
  const rows = new Int16Array(partitions.length * width).fill(NOBODY);
  for (const [partition, value] of partitions.entries()) {
    const place = `${path}[${partition}]`;
    const row = arrayOf(value, place, MOST_REPLICAS + 1);
    if (row.length === 0) throw malformed(`${place} is empty`);
    for (const [copy, server] of row.entries()) {
      const index = integerOf(server, place, NOBODY, servers - 1);
      if (copy < width) rows[partition * width + copy] = index;
    }
  }
  return rows;
}
