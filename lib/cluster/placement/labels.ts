import { isIPv4 } from 'node:net';
import { invalidArgument } from '../../arguments';
import { nameOfServer, type ServerAddress } from '../connection-string';

/** The text that a client hashes for a server on its ring. */
export type LabelOf = (server: ServerAddress) => string;

const USUAL_PORT = 11211;

export const libmemcached: LabelOf = (server) => {
  if ('path' in server) return `${server.path}:0`;
  return server.port === USUAL_PORT ? server.host : `${server.host}:${server.port}`;
};

export const npmMemcached: LabelOf = (server) =>
  'host' in server && server.port === USUAL_PORT ? server.host : nameOfServer(server);

export const libketama: LabelOf = nameOfServer;

/** Java's text for a socket address, which contains the resolved address. */
export const spymemcached: LabelOf = (server) => {
  if ('host' in server && isIPv4(server.host)) return nameOfServer(server);
  throw invalidArgument(
    'servers',
    `servers: ${nameOfServer(server)} needs a label, as the placement 'spymemcached' hashes name/address:port`,
  );
};
