import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { invalidArgument } from '../arguments';
import { nameOfServer, parseConnectionString, redactUrl } from '../cluster/connection-string';
import type { ConnectOptions, TlsOptions } from '../index';

/**
 * Options for encryption and credentials of the commands that connect to servers. The password is never an argument,
 * because other users could read it.
 */
export interface ConnectionOptions {
  readonly tls?: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly insecure?: boolean;
  readonly username?: string;
}

export function addConnectionOptions(command: Command): Command {
  return command
    .option('--tls', 'encrypt connections, as memcacheds:// does')
    .option('--ca <file>', 'authorities to trust instead of those of Node, in PEM form')
    .option('--cert <file>', 'certificate of this client, in PEM form')
    .option('--key <file>', 'its key, in PEM form')
    .option('--servername <name>', 'that the certificates of all servers have to be for')
    .option('--insecure', 'with encryption, take whoever answers for the server')
    .option(
      '--username <name>',
      'who this is (default: $EVENKEEL_USERNAME); the password is $EVENKEEL_PASSWORD',
    );
}

/** The options for connect(). A user in the URL takes precedence over other sources. */
export function connectionOf(
  url: string,
  options: ConnectionOptions,
): Pick<ConnectOptions, 'tls' | 'username' | 'password'> {
  const target = parseConnectionString(url);
  const isEncrypted = target.engine === 'memcached' && target.isEncrypted;
  if (options.insecure && !isEncrypted && !asksForTls(options))
    throw invalidArgument(
      '--insecure',
      '--insecure is for encrypted connections (--tls or memcacheds://): their servers may then have any certificate',
    );
  if (target.engine === 'embedded' || target.credentials !== undefined) return tlsOf(options);
  const { EVENKEEL_USERNAME, EVENKEEL_PASSWORD } = process.env;
  const username = options.username ?? EVENKEEL_USERNAME;
  return { ...tlsOf(options), ...(username !== undefined && { username, password: EVENKEEL_PASSWORD }) };
}

/** Each of these options enables encryption; --insecure only weakens it. */
const asksForTls = ({ tls, ca, cert, key, servername }: ConnectionOptions): boolean =>
  tls === true || [ca, cert, key, servername].some((each) => each !== undefined);

/** The option `tls`, if any of its parts was given. */
function tlsOf(options: ConnectionOptions): { readonly tls?: true | TlsOptions } {
  const { ca, cert, key, servername, insecure } = options;
  if ([ca, cert, key, servername, insecure].every((each) => each === undefined))
    return options.tls ? { tls: true } : {};
  const file = (path: string | undefined): string | undefined => path && readFileSync(path, 'utf8');
  const tls = { ca: file(ca), cert: file(cert), key: file(key), servername };
  return { tls: insecure ? { ...tls, rejectUnauthorized: false } : tls };
}

/**
 * Each server of a URL, with its display name and its own URL; an embedded database is one server. Throws what
 * connect() throws for the URL.
 */
export function serversOf(url: string): readonly { readonly name: string; readonly url: string }[] {
  const target = parseConnectionString(url);
  if (target.engine === 'embedded' || target.servers.length === 1) return [{ name: redactUrl(url), url }];
  const [, scheme, user = ''] = /^(\w+:\/\/)(.*@)?/s.exec(url) ?? [];
  return target.servers.map((server) => {
    const name = nameOfServer(server);
    return { name, url: `${scheme}${user}${name}` };
  });
}
