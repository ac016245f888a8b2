import { isIP } from 'node:net';
import { invalidArgument, shown } from '../../arguments';
import { type HostPort, parseHost, redactUrl, takeCredentials } from '../connection-string';
import type { Credentials } from '../credentials';

/** A parsed URL of a Couchbase cluster. */
export interface CouchbaseTarget {
  readonly engine: 'couchbase';
  /** The nodes to connect to first. */
  readonly seeds: readonly HostPort[];
  /** Whether to look up an SRV record first. If so, there is one seed, and its host is the name to look up. */
  readonly srv: 'none' | 'if there' | 'required';
  readonly bucket: string | undefined;
  readonly isEncrypted: boolean;
  readonly credentials: Credentials | undefined;
}

const PORT = 11210;
const TLS_PORT = 11207;
/** The HTTP ports of the cluster manager. */
const MANAGEMENT_PORTS: ReadonlySet<number | undefined> = new Set([8091, 18091]);
const MOST_SEEDS = 256;
const BUCKET = /^[\w.%-]{1,100}$/;

/** URL parameters of other clients, and the options of connect() for the same purpose. */
const OPTIONS: ReadonlyMap<string, string> = new Map([
  ['network', 'network'],
  ['timeout', 'timeout'],
  ['operation_timeout', 'timeout'],
  ['kv_timeout', 'timeout'],
  ['config_total_timeout', 'connectTimeout'],
  ['kv_connect_timeout', 'connectTimeout'],
  ['ssl', 'tls'],
  ['certpath', 'tls.cert'],
  ['keypath', 'tls.key'],
  ['truststorepath', 'tls.ca'],
  ['trust_certificate', 'tls.ca'],
]);

/**
 * Parses `couchbase://host[:port],…[/bucket]` (IPv6 in brackets, default port 11210) or `couchbases:` for TLS (default
 * port 11207); `user:password@` (percent-encoded) may precede the hosts. For a single host name without a port, an SRV
 * record is looked up first; `couchbase+dnssrv:` and `couchbases+dnssrv:` require one. Options belong in the options of
 * connect(), of which `usesTls` says whether they ask for TLS. Throws InvalidArgumentError (`url`).
 */
export function parseCouchbaseUrl(url: string, usesTls = false): CouchbaseTarget {
  const refuse = (why: string): Error => invalidArgument('url', `url: ${why}: ${redactUrl(url)}`);
  const [, secure, service, rest, query] =
    /^couchbase(s?)(\+dnssrv)?:\/\/([^?#]*)(?:\?([^#]*))?$/.exec(url) ?? [];
  if (rest === undefined)
    throw refuse(
      'it must begin with couchbase://, couchbases://, couchbase+dnssrv:// or couchbases+dnssrv:// and have no fragment',
    );
  if (query !== undefined) throw refuse(adviceOn(query));
  const isEncrypted = usesTls || secure === 's';
  const { credentials, where } = takeCredentials(rest);
  if (where.includes('@')) throw refuse('an @ in the user or password must be written %40');
  const slash = where.indexOf('/');
  const list = slash === -1 ? where : where.slice(0, slash);
  if (list.includes(';')) throw refuse('hosts are separated by commas');
  const hosts = list.split(',');
  if (hosts.length > MOST_SEEDS) throw refuse(`it has more than ${MOST_SEEDS} hosts`);
  const named = hosts.map((host) => parseHost(host, 'url'));
  if (named.some(({ port }) => MANAGEMENT_PORTS.has(port)))
    throw refuse(
      `8091 and 18091 are ports of the cluster manager; the data ports are ${PORT} and, for TLS, ${TLS_PORT}`,
    );
  const isService = named.length === 1 && named.every(({ host, port }) => port === undefined && isName(host));
  if (service !== undefined && !isService) throw refuse('+dnssrv requires a single host name without a port');
  return {
    engine: 'couchbase',
    seeds: named.map(({ host, port = isEncrypted ? TLS_PORT : PORT }) => ({ host, port })),
    srv: service !== undefined ? 'required' : isService ? 'if there' : 'none',
    bucket: slash === -1 ? undefined : bucketOf(where.slice(slash + 1), refuse),
    isEncrypted,
    credentials,
  };
}

/** Names that DNS may know; localhost is not one of them. */
const isName = (host: string): boolean => isIP(host) === 0 && !/(^|\.)localhost\.?$/i.test(host);

function bucketOf(text: string, refuse: (why: string) => Error): string | undefined {
  if (text === '') return undefined;
  let bucket: string;
  try {
    bucket = decodeURIComponent(text);
  } catch {
    throw refuse('the bucket must be percent-encoded (% is written %25)');
  }
  if (!BUCKET.test(bucket))
    throw refuse(`a bucket has 1 to 100 of the characters A-Z a-z 0-9 _ . % -, not ${shown(bucket)}`);
  return bucket;
}

function adviceOn(query: string): string {
  const names = query.split('&', 32).map((part) => /^[^=]*/.exec(part)?.[0] ?? '');
  const known = names.map((name) => OPTIONS.get(name)).find((option) => option !== undefined);
  return `it must have no query: options are passed to connect()${known === undefined ? '' : `, here ${known}`}`;
}
