import {
  checkFlag,
  checkFunction,
  checkObject,
  checkOptions,
  invalidArgument,
  optionNames,
  shown,
} from '../../arguments';
import { checkHost } from '../../cluster/addresses';
import { checkCount, checkCredentials } from '../checks';
import type { BucketOptions, ClusterOptions, ForgedConfiguration, RebalanceOptions } from './options';

const MOST_NODES = 64;
const MOST_REPLICAS = 3;
const MOST_VBUCKETS = 1024;

const CLUSTER_NAMES = optionNames<ClusterOptions>({
  nodes: true,
  replicas: true,
  vbuckets: true,
  buckets: true,
  collections: true,
  credentials: true,
  mechanisms: true,
  withoutFeatures: true,
  errorMap: true,
  version: true,
  host: true,
  hostnames: true,
  alternateAddresses: true,
  serverGroups: true,
  tls: true,
  record: true,
  worker: true,
  clock: true,
});
const REBALANCE_NAMES = optionNames<RebalanceOptions>({
  add: true,
  remove: true,
  back: true,
  order: true,
  pause: true,
});
const FORGED_NAMES = optionNames<ForgedConfiguration>({
  text: true,
  epoch: true,
  revision: true,
  node: true,
});
const BUCKET_NAMES = optionNames<BucketOptions>({
  name: true,
  replicas: true,
  vbuckets: true,
  collections: true,
  capabilities: true,
  maxTtl: true,
});

/** Types alone do not stop a test in JavaScript: InvalidArgumentError for options that say nothing or something else. */
export function checkClusterOptions(options: ClusterOptions): void {
  checkOptions(options, CLUSTER_NAMES);
  const { nodes, buckets, credentials, host, tls, record, worker, clock, collections } = options;
  if (nodes !== undefined) checkPositive('nodes', nodes, MOST_NODES);
  checkSizes('', options);
  if (buckets !== undefined) {
    if (!Array.isArray(buckets) || buckets.length === 0)
      throw invalidArgument('buckets', `buckets is a list of one or more, not ${shown(buckets)}`);
    for (const [index, bucket] of buckets.entries()) checkBucket(`buckets[${index}]`, bucket);
  }
  if (collections !== undefined) checkObject(collections, 'collections');
  if (credentials !== undefined) checkCredentials(credentials);
  if (host !== undefined) checkHost('host', host);
  if (tls !== undefined) checkObject(tls, 'tls');
  if (record !== undefined) checkFlag('record', record);
  if (worker !== undefined) checkFlag('worker', worker);
  if (clock !== undefined) checkFunction('clock', clock);
  for (const name of ['mechanisms', 'withoutFeatures', 'hostnames', 'serverGroups'] as const)
    if (options[name] !== undefined && !Array.isArray(options[name]))
      throw invalidArgument(name, `${name} is a list, not ${shown(options[name])}`);
}

export function checkBucket(argument: string, given: unknown): void {
  if (typeof given === 'string' && given !== '') return;
  const bucket = checkOptions(given, BUCKET_NAMES, argument);
  const { name } = bucket;
  if (typeof name !== 'string' || name === '')
    throw invalidArgument(`${argument}.name`, `${argument}.name is a text, not ${shown(name)}`);
  checkSizes(`${argument}.`, bucket);
  if (bucket.maxTtl !== undefined) checkCount(`${argument}.maxTtl`, bucket.maxTtl);
  if (bucket.collections !== undefined) checkObject(bucket.collections, `${argument}.collections`);
}

export function checkRebalance(options: unknown): void {
  const { add, pause, order } = checkOptions(options, REBALANCE_NAMES);
  if (add !== undefined) checkCount('add', add, MOST_NODES);
  if (pause !== undefined) checkCount('pause', pause);
  if (order !== undefined && order !== 'old first' && order !== 'new first')
    throw invalidArgument('order', `order is 'old first' or 'new first', not ${shown(order)}`);
}

export function checkForged(configuration: unknown): void {
  const { text, node } = checkOptions(configuration, FORGED_NAMES, 'configuration');
  if (typeof text !== 'string') throw invalidArgument('text', `text is a string, not ${shown(text)}`);
  if (node !== undefined) checkCount('node', node);
}

function checkSizes(
  prefix: string,
  { replicas, vbuckets }: { readonly replicas?: unknown; readonly vbuckets?: unknown },
): void {
  if (replicas !== undefined) checkCount(`${prefix}replicas`, replicas, MOST_REPLICAS);
  if (vbuckets !== undefined) checkPositive(`${prefix}vbuckets`, vbuckets, MOST_VBUCKETS);
}

function checkPositive(argument: string, value: unknown, most: number): void {
  checkCount(argument, value, most);
  if (value === 0) throw invalidArgument(argument, `${argument} is one or more`);
}
