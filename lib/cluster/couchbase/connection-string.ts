import { isIP } from 'node:net';
import { invalidArgument, shown } from '../../arguments';
import { type HostPort, parseHost, redactUrl, takeCredentials } from '../connection-string';
import type { Credentials } from '../credentials';

/** What a url of a Couchbase cluster says. */
export interface CouchbaseTarget {
  readonly engine: 'couchbase';
  /** Nodes to begin with. */
  readonly seeds: readonly HostPort[];
  /** Whether DNS is asked for the nodes first, in which case the one seed is the name to ask for. */
  readonly srv: 'none' | 'if there' | 'required';
  readonly bucket: string | undefined;
  /** The url says that connections are encrypted. */
  readonly isEncrypted: boolean;
  readonly credentials: Credentials | undefined;
}

const PORT = 11210;
const TLS_PORT = 11207;
/** Of the cluster's management, over HTTP. */
const MANAGEMENT_PORTS: ReadonlySet<number | undefined> = new Set([8091, 18091]);
const MOST_SEEDS = 256;
const BUCKET = /^[\w.%-]{1,100}$/;

/** What other clients take in the url, and where it is said here. */
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
 * `couchbase://host[:port],…[/bucket]` (IPv6 in brackets, port 11210 without one), `couchbases:` with TLS (port 11207); `user:password@`
 * (percent-encoded) may stand before the hosts. A single name without a port is asked for in DNS as a service (SRV) first; with
 * `couchbase+dnssrv:` it has to be one. Options are connect()'s and not the url's. Throws InvalidArgumentError (`url`).
 */
export function parseCouchbaseUrl(url: string): CouchbaseTarget {
  const refuse = (why: string): Error => invalidArgument('url', `url: ${why}: ${redactUrl(url)}`);
  const [, secure, service, rest, query] =
    /^couchbase(s?)(\+dnssrv)?:\/\/([^?#]*)(?:\?([^#]*))?$/.exec(url) ?? [];
  if (rest === undefined)
    throw refuse(
      'it begins with couchbase://, couchbases:// or one of them with +dnssrv, and has no fragment',
    );
  if (query !== undefined) throw refuse(adviceOn(query));
  const isEncrypted = secure === 's';
  const { credentials, where } = takeCredentials(rest);
  if (where.includes('@')) throw refuse('an @ in a user or a password is written %40');
  const slash = where.indexOf('/');
  const list = slash === -1 ? where : where.slice(0, slash);
  if (list.includes(';')) throw refuse('hosts are told apart by commas');
  const hosts = list.split(',');
  if (hosts.length > MOST_SEEDS) throw refuse(`it names more than ${MOST_SEEDS} hosts`);
  const named = hosts.map((host) => parseHost(host, 'url'));
  if (named.some(({ port }) => MANAGEMENT_PORTS.has(port)))
    throw refuse(
      `ports 8091 and 18091 are those of management, of data are ${PORT}, and ${TLS_PORT} with TLS`,
    );
  const isService = named.length === 1 && named.every(({ host, port }) => port === undefined && isName(host));
  if (service !== undefined && !isService) throw refuse('with +dnssrv it has one name without a port');
  return {
    engine: 'couchbase',
    seeds: named.map(({ host, port = isEncrypted ? TLS_PORT : PORT }) => ({ host, port })),
    srv: service !== undefined ? 'required' : isService ? 'if there' : 'none',
    bucket: slash === -1 ? undefined : bucketOf(where.slice(slash + 1), refuse),
    isEncrypted,
    credentials,
  };
}

/** Nobody asks a server of names for this host itself. */
const isName = (host: string): boolean => isIP(host) === 0 && !/(^|\.)localhost\.?$/i.test(host);

function bucketOf(text: string, refuse: (why: string) => Error): string | undefined {
  if (text === '') return undefined;
  let bucket: string;
  try {
    bucket = decodeURIComponent(text);
  } catch {
    throw refuse('the bucket is percent-encoded: % is written %25');
  }
  if (!BUCKET.test(bucket))
    throw refuse(`a bucket has 1 to 100 of the characters A-Z a-z 0-9 _ . % -, not ${shown(bucket)}`);
  return bucket;
}

function adviceOn(query: string): string {
  const names = query.split('&', 32).map((part) => /^[^=]*/.exec(part)?.[0] ?? '');
  const known = names.map((name) => OPTIONS.get(name)).find((option) => option !== undefined);
  return `it has no query, options are those of connect()${known === undefined ? '' : `, here ${known}`}`;
}
