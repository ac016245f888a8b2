import { invalidArgument, shown } from '../arguments';
import { UnsupportedError } from '../errors';
import { excerpt } from '../text';
import { checkHost, checkSocketPath } from './addresses';
import { type Credentials, decodeCredentials } from './credentials';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The address of a server as the user gave it; names are not resolved yet. */
export type ServerAddress = HostPort | { readonly path: string };

export type ConnectionString =
  | {
      readonly engine: 'memcached';
      readonly servers: readonly ServerAddress[];
      /** The URL requires encrypted connections. */
      readonly isEncrypted: boolean;
      readonly credentials: Credentials | undefined;
    }
  /** undefined: the database is temporary. */
  | { readonly engine: 'embedded'; readonly path: string | undefined };

export const DEFAULT_PORT = 11211;
const LONGEST_SHOWN = 200;
const PLANNED = ['aerospike:'];
/** parseCouchbaseUrl() understands them. */
const ELSEWHERE = ['couchbase:', 'couchbases:'];

/**
 * Parses `embedded:`, `embedded:///dir` (percent-encoded), `memcached://host[:port],…` (IPv6 in brackets, default port
 * 11211) or `memcached:///path/of/socket`; `memcacheds:` for either with TLS; `user:password@` (percent-encoded) may
 * precede either. Throws InvalidArgumentError (`url`), or UnsupportedError for an engine or feature that does not
 * exist.
 */
export function parseConnectionString(url: string): ConnectionString {
  if (typeof url !== 'string') throw invalidArgument('url', `url is a string, not ${shown(url)}`);
  const scheme = /^([a-z]+:)/.exec(url)?.[1];
  if (scheme !== undefined && ELSEWHERE.includes(scheme))
    throw new UnsupportedError(`a ${scheme.slice(0, -1)} url can be given to connect(), and not here`, {
      context: { argument: 'url' },
    });
  if (scheme !== undefined && PLANNED.includes(scheme)) {
    throw new UnsupportedError(`evenkeel has no ${scheme.slice(0, -1)} engine yet`, {
      context: { argument: 'url' },
    });
  }
  if (scheme === 'embedded:') return { engine: 'embedded', path: parseDirectory(url) };
  const [, secure, rest] = /^memcached(s?):\/\/([^?#]*)$/.exec(url) ?? [];
  if (rest === undefined)
    throw invalidArgument(
      'url',
      `url begins with memcached://, memcacheds:// or embedded: and has no query: ${redactUrl(withoutSecret(url))}`,
    );
  const isEncrypted = secure === 's';
  const { credentials, where } = takeCredentials(rest);
  if (where.startsWith('/')) {
    if (credentials === undefined && /:.*@/s.test(where))
      throw invalidArgument(
        'url',
        `url: a user and a password stand before the path (an @ in a path is written %40): ${redactUrl(url)}`,
      );
    const path = checkSocketPath('url', decodePath(where));
    return { engine: 'memcached', servers: [{ path }], isEncrypted, credentials };
  }
  if (where.includes('@'))
    throw invalidArgument('url', `url: an @ in a user or a password is written %40: ${redactUrl(url)}`);
  const servers = where
    .replace(/\/$/, '')
    .split(',')
    .map((server) => parseServer(server, 'url'));
  return { engine: 'memcached', servers, isEncrypted, credentials };
}

/** Splits what follows the scheme into `user:password@` and the servers. Throws InvalidArgumentError (`url`). */
export function takeCredentials(text: string): {
  readonly credentials: Credentials | undefined;
  readonly where: string;
} {
  const [all, username = '', password] = /^([^:@/]*)(?::([^@/]*))?@/.exec(text) ?? [];
  if (all === undefined) return { credentials: undefined, where: text };
  return { credentials: decodeCredentials(username, password), where: text.slice(all.length) };
}

function parseDirectory(url: string): string | undefined {
  if (url === 'embedded:') return undefined;
  const path = decodePath(/^embedded:\/\/(\/[^?#]*)$/.exec(url)?.[1] ?? '');
  if (path === '' || path.includes('\0'))
    throw invalidArgument(
      'url',
      `url: embedded: alone, or embedded:// and an absolute path, not ${redactUrl(url)}`,
    );
  return path;
}

/** Parses `host[:port]`. Throws InvalidArgumentError naming `argument`. */
export function parseServer(text: string, argument: string): HostPort {
  const { host, port = DEFAULT_PORT } = parseHost(text, argument);
  return { host, port };
}

/** Like parseServer(), without a default port. */
export function parseHost(
  text: string,
  argument: string,
): { readonly host: string; readonly port: number | undefined } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/@\s]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? undefined : Number(match[3]);
  if (host === undefined || (port !== undefined && (port < 1 || port > 65535)))
    throw invalidArgument(
      argument,
      `${argument}: not a host with an optional port: ${redactUrl(withoutSecret(text))}`,
    );
  return { host: checkHost(argument, host), port };
}

/** What is not a port may be a password whose host was forgotten. */
const withoutSecret = (text: string): string => text.replace(/:(?!\/\/|\d+(?:[,/?#]|$)|$).*$/s, ':…');

/** A URL, or part of one, for display: without anything that may be credentials. */
export function redactUrl(url: string): string {
  const withoutCredentials = url.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1…@');
  return excerpt(withoutCredentials.replace(/[?#].*$/s, '?…'), LONGEST_SHOWN);
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

export function nameOfServer(server: ServerAddress): string {
  if ('path' in server) return server.path;
  return server.host.includes(':') ? `[${server.host}]:${server.port}` : `${server.host}:${server.port}`;
}
