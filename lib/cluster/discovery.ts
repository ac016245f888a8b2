import { isIP } from 'node:net';
import { shown } from '../arguments';
import { ConnectionError } from '../errors';
import { isHost } from './addresses';
import type { HostPort } from './connection-string';

/** A server as announced by a managed fleet. */
export interface DiscoveredServer extends HostPort {
  /** The numeric address of the host, if announced. */
  readonly address: string | undefined;
}

export interface ClusterConfig {
  /** The higher version is the newer one. */
  readonly version: number;
  readonly servers: readonly DiscoveredServer[];
}

/**
 * Parses the value in the answer to `config get cluster` of ElastiCache and Memorystore (AWS, "Adding Auto Discovery to
 * your client library"): a line with the version, then a line with the servers as `host|address|port`, separated by
 * spaces; the address may be empty. Throws ConnectionError for anything else, because half a list of servers would send
 * keys to the wrong ones.
 */
export function parseClusterConfig(text: string): ClusterConfig {
  const [first = '', list = '', ...rest] = text.split(/\r?\n/);
  const version = /^\d{1,15}$/.test(first) ? Number(first) : undefined;
  const servers = list.split(' ').filter((server) => server !== '');
  if (version === undefined || servers.length === 0 || rest.some((line) => line !== ''))
    throw notUnderstood(text);
  const parsed = servers.map(parseServer);
  const names = new Set(parsed.map(({ host, port }) => `${host} ${port}`));
  if (names.size < parsed.length) throw notUnderstood(list);
  return { version, servers: parsed };
}

function parseServer(text: string): DiscoveredServer {
  const [host = '', address = '', port = '', ...rest] = text.split('|');
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (
    !isHost(host) ||
    (address !== '' && isIP(address) === 0) ||
    number < 1 ||
    number > 65535 ||
    rest.length > 0
  )
    throw notUnderstood(text);
  return { host, address: address === '' ? undefined : address, port: number };
}

function notUnderstood(text: string): ConnectionError {
  return new ConnectionError(`the answer to config get cluster is not understood: ${shown(text)}`);
}
