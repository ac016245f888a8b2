import {
  checkFlag,
  checkFunction,
  checkObject,
  checkOptions,
  invalidArgument,
  optionNames,
  shown,
} from '../arguments';
import { checkHost, checkSocketPath } from '../cluster/addresses';
import type { Credentials } from './credentials';
import type { RestartOptions, ServerAge, ServerOptions, ServerProtocol, StopOptions } from './operations';

const SERVER_NAMES = optionNames<ServerOptions>({
  port: true,
  host: true,
  path: true,
  worker: true,
  record: true,
  maxItemBytes: true,
  maxBytes: true,
  maxConnections: true,
  credentials: true,
  tls: true,
  clock: true,
  version: true,
  protocols: true,
});
const CREDENTIAL_NAMES = optionNames<Credentials>({ username: true, password: true });
const STOP_NAMES = optionNames<StopOptions>({ reset: true });
const RESTART_NAMES = optionNames<RestartOptions>({
  reset: true,
  keepData: true,
  version: true,
  protocols: true,
});
const PROTOCOLS: ReadonlySet<unknown> = new Set<ServerProtocol>(['binary', 'text', 'meta']);

/** Types alone do not stop a test in JavaScript: InvalidArgumentError for options that say nothing or something else. */
export function checkServerOptions(options: ServerOptions): void {
  checkOptions(options, SERVER_NAMES);
  const {
    port,
    host,
    path,
    worker,
    record,
    maxItemBytes,
    maxBytes,
    maxConnections,
    credentials,
    tls,
    clock,
  } = options;
  if (port !== undefined) checkCount('port', port, 0xffff);
  if (host !== undefined) checkHost('host', host);
  if (path !== undefined) checkSocketPath('path', path);
  if (worker !== undefined) checkFlag('worker', worker);
  if (record !== undefined) checkFlag('record', record);
  if (maxItemBytes !== undefined) checkCount('maxItemBytes', maxItemBytes);
  if (maxBytes !== undefined) checkCount('maxBytes', maxBytes);
  if (maxConnections !== undefined) checkCount('maxConnections', maxConnections);
  if (credentials !== undefined) checkCredentials(credentials);
  if (tls !== undefined) checkObject(tls, 'tls');
  if (tls !== undefined && path !== undefined)
    throw invalidArgument('tls', 'tls is for TCP, not for a server on the socket of a path');
  if (clock !== undefined) checkFunction('clock', clock);
  checkAge(options);
}

function checkAge({ version, protocols }: ServerAge): void {
  if (version !== undefined && (typeof version !== 'string' || !/^[!-~]+$/.test(version)))
    throw invalidArgument('version', `version is a word of ASCII, not ${shown(version)}`);
  if (protocols === undefined) return;
  if (!Array.isArray(protocols) || protocols.length === 0 || !protocols.every((each) => PROTOCOLS.has(each)))
    throw invalidArgument(
      'protocols',
      `protocols is some of 'binary', 'text' and 'meta', not ${shown(protocols)}`,
    );
  if (protocols.includes('meta') && !protocols.includes('text'))
    throw invalidArgument('protocols', "protocols: a server that speaks 'meta' speaks 'text'");
}

export function checkStopOptions(options: StopOptions): void {
  checkOptions(options, STOP_NAMES);
  if (options.reset !== undefined) checkFlag('reset', options.reset);
}

export function checkRestartOptions(options: RestartOptions): void {
  checkOptions(options, RESTART_NAMES);
  if (options.reset !== undefined) checkFlag('reset', options.reset);
  if (options.keepData !== undefined) checkFlag('keepData', options.keepData);
  checkAge(options);
}

export function checkCredentials(given: Credentials): void {
  const { username, password } = checkOptions(given, CREDENTIAL_NAMES, 'credentials');
  for (const [name, value] of Object.entries({ username, password }))
    if (typeof value !== 'string' || value === '' || value.includes('\0'))
      throw invalidArgument(
        `credentials.${name}`,
        `credentials.${name} is a text without zero bytes, and not empty`,
      );
}

export function checkCount(argument: string, value: unknown, most = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > most)
    throw invalidArgument(argument, `${argument} is a whole number from 0 to ${most}, not ${shown(value)}`);
}
