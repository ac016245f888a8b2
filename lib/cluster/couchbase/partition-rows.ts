import { arrayOf, integerOf, type JsonObject, misshapen, notUnderstood } from './json';
import { MOST_PARTITIONS, NOBODY, PartitionMap } from './partition-map';

/** What Couchbase allows. */
const MOST_REPLICAS = 3;

/**
 * `vBucketServerMap` of a configuration with so many servers; undefined where no partitions are given out yet. Throws ConnectionError for an
 * index that is none of a server's.
 */
export function parsePartitionMap(map: JsonObject, servers: number): PartitionMap | undefined {
  const { numReplicas = 0, hashAlgorithm = 'CRC', vBucketMap, vBucketMapForward } = map;
  if (hashAlgorithm !== 'CRC') throw misshapen('vBucketServerMap.hashAlgorithm', "'CRC'", hashAlgorithm);
  const replicas = integerOf(numReplicas, 'vBucketServerMap.numReplicas', 0, MOST_REPLICAS);
  const partitions = arrayOf(vBucketMap, 'vBucketServerMap.vBucketMap', MOST_PARTITIONS);
  if (partitions.length === 0) return undefined;
  const rows = parseRows(partitions, 'vBucketServerMap.vBucketMap', replicas, servers);
  if (vBucketMapForward === undefined) return new PartitionMap(rows, undefined, replicas);
  const path = 'vBucketServerMap.vBucketMapForward';
  const next = arrayOf(vBucketMapForward, path, MOST_PARTITIONS);
  if (next.length === 0) return new PartitionMap(rows, undefined, replicas);
  if (next.length !== partitions.length)
    throw notUnderstood(`${path} has ${next.length} partitions, and vBucketMap ${partitions.length}`);
  return new PartitionMap(rows, parseRows(next, path, replicas, servers), replicas);
}

/** While the number of replicas changes, rows are shorter or longer than that. */
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
    if (row.length === 0) throw notUnderstood(`${place} is empty`);
    for (const [copy, server] of row.entries()) {
      const index = integerOf(server, place, NOBODY, servers - 1);
      if (copy < width) rows[partition * width + copy] = index;
    }
  }
  return rows;
}
