import { invalidArgument, shown } from '../arguments';

// The shortest limit among the platforms (macOS), without the terminating zero.
const LONGEST_SOCKET_PATH = 103;
const LONGEST_HOST = 253;
// Each of these would end or alter the name in C code, in a URL, or in a log.
const FORBIDDEN_IN_HOST = /[\s\p{Cc}\p{Cf}@/?#,[\]]/u;

/** Whether this is a host name or numeric address that the resolver accepts. */
export function isHost(host: unknown): host is string {
  return (
    typeof host === 'string' && host !== '' && host.length <= LONGEST_HOST && !FORBIDDEN_IN_HOST.test(host)
  );
}

export function checkHost(argument: string, host: unknown): string {
  if (!isHost(host))
    throw invalidArgument(
      argument,
      `${argument}: a host is a name or an address, without spaces, control characters and marks of a url, not ${shown(withoutCredentials(host))}`,
    );
  return host;
}

export function checkSocketPath(argument: string, path: unknown): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw invalidArgument(
      argument,
      `${argument}: the path of a Unix socket is text without zero bytes, not ${shown(path)}`,
    );
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH)
    throw invalidArgument(
      argument,
      `${argument}: the path of a Unix socket has at most ${LONGEST_SOCKET_PATH} bytes`,
    );
  return path;
}

/** A URL that connects to the socket. */
export function urlOfSocket(path: string): string {
  return `memcached://${path.replace(/[%?#\s\p{Cc}\p{Cf}]/gu, encodeURIComponent)}`;
}

const withoutCredentials = (host: unknown): unknown =>
  typeof host === 'string' ? host.replace(/^.*@/s, '…@') : host;
