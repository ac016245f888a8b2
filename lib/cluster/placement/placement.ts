import { invalidArgument, shown } from '../../arguments';
import type { ServerAddress } from '../connection-string';
import { type KeyHash, keyHashes } from './key-hash';
import * as labels from './labels';
import { makeRing, ownerOf, type Ring, type RingHash } from './ring';
import * as shares from './shares';

/**
 * The rule that maps keys to servers. Two clients find each other's records when they have the same placement and the
 * same servers, with the same names and in the same order.
 *
 * - 'ketama': libmemcached's weighted ketama (`KETAMA_WEIGHTED`, PHP's `OPT_LIBKETAMA_COMPATIBLE`, pylibmc's
 *   `ketama_weighted`), and twemproxy's `ketama` with `hash: md5`.
 * - 'ketama-unweighted': libmemcached's `KETAMA` and `CONSISTENT` with its default hash.
 * - 'libketama': the original, and libcouchbase's memcached buckets.
 * - 'npm-memcached': the npm package memcached.
 * - 'spymemcached': its `KetamaConnectionFactory`. It also hashes the resolved address, so servers not given as IPv4
 *   addresses need a `label` of the form `name/address:port`.
 * - 'memjs': memjs.
 * - 'modula': libmemcached's default.
 */
export type PlacementName =
  | 'ketama'
  | 'ketama-unweighted'
  | 'libketama'
  | 'npm-memcached'
  | 'spymemcached'
  | 'memjs'
  | 'modula';

export type PlacedServer = ServerAddress & {
  /** The server's share of the keys relative to the other servers: an integer from 1. Default 1. */
  readonly weight?: number | undefined;
  /** The text to hash for its place on the ring. Default: what the placement derives from host and port. */
  readonly label?: string | undefined;
};

/** The remainder of the key's hash is the index of the server. */
export interface Modulo {
  readonly kind: 'modulo';
  readonly keyHash: KeyHash;
  readonly servers: number;
}

/** A table says which servers have the copies of each partition, to which the key's CRC-32 assigns it. */
export interface Partitioned {
  readonly kind: 'partitions';
  /** For each partition, for each copy of it: the index of a server, or -1. */
  readonly rows: Int16Array;
  readonly copies: number;
}

/** The mapping of keys to servers in the form that native code reads; servers are indexes into the original list. */
export type Placement = Ring | Modulo;

interface RingRules {
  readonly hash: RingHash;
  readonly labels: labels.LabelOf;
  readonly shares: shares.Shares;
}

const RULES: Readonly<Record<PlacementName, RingRules | { readonly modulo: KeyHash }>> = {
  ketama: { hash: 'md5', labels: labels.libmemcached, shares: shares.libmemcached },
  'ketama-unweighted': { hash: 'one-at-a-time', labels: labels.libmemcached, shares: shares.hundred },
  libketama: { hash: 'md5', labels: labels.libketama, shares: shares.libketama },
  'npm-memcached': { hash: 'md5', labels: labels.npmMemcached, shares: shares.hashring },
  spymemcached: { hash: 'md5', labels: labels.spymemcached, shares: shares.spymemcached },
  memjs: { modulo: 'java' },
  modula: { modulo: 'one-at-a-time' },
};
const WEIGHTLESS: ReadonlySet<PlacementName> = new Set(['ketama-unweighted', 'memjs', 'modula']);

const LARGEST_WEIGHT = 2 ** 32 - 1;
/** Larger rings would take noticeable time to build. */
const MOST_SERVERS = 1024;

/** Throws InvalidArgumentError (`placement`) for an unknown name. */
export function checkPlacementName(name: unknown): PlacementName {
  const names = Object.keys(RULES) as PlacementName[];
  const found = names.find((known) => known === name);
  if (found === undefined)
    throw invalidArgument('placement', `placement is one of ${names.join(', ')}, not ${shown(name)}`);
  return found;
}

/**
 * Throws InvalidArgumentError (`servers`) for no or too many servers, an invalid weight, a weight with a placement that
 * has none, or a missing or duplicate label. Throws UnsupportedError when the ring needs MD5 and the process may not
 * use it.
 */
export function placeKeys(name: PlacementName, servers: readonly PlacedServer[]): Placement {
  if (servers.length === 0 || servers.length > MOST_SERVERS)
    throw invalidArgument('servers', `servers: from 1 to ${MOST_SERVERS}, not ${servers.length}`);
  const weights = servers.map(({ weight }) => checkWeight(name, weight));
  const rules = RULES[name];
  if ('modulo' in rules || servers.length === 1) {
    const keyHash = 'modulo' in rules ? rules.modulo : 'one-at-a-time';
    return { kind: 'modulo', keyHash, servers: servers.length };
  }
  const names = servers.map((server) =>
    server.label === undefined ? rules.labels(server) : checkLabel(server.label),
  );
  const twice = names.find((label, index) => names.indexOf(label) < index);
  if (twice !== undefined)
    throw invalidArgument('servers', `servers: two of them would be ${shown(twice)} on the ring`);
  return makeRing(rules.hash, names, rules.shares(weights));
}

/** The index of the server that `key` belongs to. */
export function serverOf(placement: Placement, key: string): number {
  const hash = keyHashes[placement.keyHash](key);
  return placement.kind === 'ring' ? ownerOf(placement, hash) : hash % placement.servers;
}

function checkWeight(name: PlacementName, weight: number | undefined): number | undefined {
  if (weight === undefined) return undefined;
  if (!Number.isInteger(weight) || weight < 1 || weight > LARGEST_WEIGHT)
    throw invalidArgument(
      'servers',
      `servers: a weight is a whole number from 1 to ${LARGEST_WEIGHT}, not ${shown(weight)}`,
    );
  if (weight !== 1 && WEIGHTLESS.has(name))
    throw invalidArgument('servers', `servers: the placement '${name}' knows no weights`);
  return weight;
}

function checkLabel(label: string): string {
  if (typeof label !== 'string' || label === '' || !label.isWellFormed())
    throw invalidArgument(
      'servers',
      `servers: a label is well-formed text and not empty, not ${shown(label)}`,
    );
  return label;
}
