import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkFlag, checkOptions, invalidArgument, optionNames, shown } from '../arguments';
import { EvenkeelError, UnsupportedError } from '../errors';
import type { NativeTlsContext, NativeTlsMistake, NativeTlsOptions } from '../native/addon';
import { loadAddon } from '../native/load';
import { checkHost } from './addresses';
import type { ServerAddress } from './connection-string';

import tls = require('node:tls');

/** PEM text, or its bytes. */
export type Pem = string | Uint8Array;

/** How connections are encrypted; the names are those of `node:tls`. */
export interface TlsOptions {
  /**
   * Trusted certificate authorities; each text may contain any number of certificates. Default: those that Node trusts,
   * plus those in NODE_EXTRA_CA_CERTS.
   */
  readonly ca?: Pem | readonly Pem[] | undefined;
  /** The client's certificate, followed by any intermediate certificates, for servers that require one. */
  readonly cert?: Pem | undefined;
  readonly key?: Pem | undefined;
  /** The passphrase of an encrypted `key`. */
  readonly passphrase?: string | undefined;
  /** The name that all servers' certificates must match. Default: each server's own name in the URL. */
  readonly servername?: string | undefined;
  /** false: accepts any server without verification. Default true. */
  readonly rejectUnauthorized?: boolean | undefined;
  /** Default TLSv1.2. */
  readonly minVersion?: TlsVersion | undefined;
  /** Default TLSv1.3. */
  readonly maxVersion?: TlsVersion | undefined;
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** The TLS state that the connections of a client share. */
export interface Tls {
  readonly context: NativeTlsContext;
  readonly servername: string | undefined;
  readonly rejectUnauthorized: boolean;
}

const OPTIONS = optionNames<TlsOptions>({
  ca: true,
  cert: true,
  key: true,
  passphrase: true,
  servername: true,
  rejectUnauthorized: true,
  minVersion: true,
  maxVersion: true,
});
const VERSIONS: Readonly<Record<string, number>> = { 'TLSv1.2': 0x0303, 'TLSv1.3': 0x0304 };

/** The name that a server's certificate must be valid for; empty for the path of a socket. */
export const nameToVerify = (server: ServerAddress, tls: Tls | undefined): string =>
  tls?.servername ?? ('path' in server ? '' : server.host);

/**
 * Resolves the option `tls` of connect(): true for the defaults, undefined or false for no TLS. Throws
 * InvalidArgumentError naming what is wrong, and UnsupportedError when the process has no OpenSSL 3.
 */
export function resolveTls(given: boolean | TlsOptions | undefined): Tls | undefined {
  if (given === undefined || given === false) return undefined;
  const options: TlsOptions = given === true ? {} : given;
  checkOptions(options, OPTIONS, 'tls');
  const { servername, rejectUnauthorized = true } = options;
  if (servername !== undefined) checkHost('tls.servername', servername);
  const native: NativeTlsOptions = {
    ca: checkAuthorities(options.ca),
    cert: checkPem('tls.cert', options.cert),
    key: checkPem('tls.key', options.key),
    passphrase: checkPassphrase(options.passphrase),
    minVersion: checkVersion('tls.minVersion', options.minVersion, 'TLSv1.2'),
    maxVersion: checkVersion('tls.maxVersion', options.maxVersion, 'TLSv1.3'),
    rejectUnauthorized: checkFlag('tls.rejectUnauthorized', rejectUnauthorized),
  };
  if ((native.cert === '') !== (native.key === '')) {
    const missing = native.cert === '' ? 'cert' : 'key';
    throw invalidArgument(`tls.${missing}`, `tls.${missing} is missing: cert and key belong together`);
  }
  return { context: contextOf(native), servername, rejectUnauthorized };
}

function checkAuthorities(given: TlsOptions['ca']): readonly string[] {
  if (given === undefined) return trustedByNode();
  const texts: readonly unknown[] = Array.isArray(given) ? given : [given];
  return texts.map((text) => {
    const checked = checkPem('tls.ca', text);
    if (checked === '') throw invalidArgument('tls.ca', 'tls.ca: a text without a certificate');
    return checked;
  });
}

/** Returns '' for undefined. */
function checkPem(argument: string, given: unknown): string {
  if (given === undefined) return '';
  if (typeof given === 'string' && given !== '') return given;
  if (given instanceof Uint8Array && given.length > 0) return Buffer.from(given).toString('latin1');
  throw invalidArgument(argument, `${argument} is text in PEM form or its bytes, not ${shown(given)}`);
}

function checkPassphrase(given: unknown): string {
  if (given === undefined) return '';
  if (typeof given !== 'string') throw invalidArgument('tls.passphrase', 'tls.passphrase is a string'); // without the value, which is secret
  return given;
}

function checkVersion(argument: string, given: unknown, otherwise: TlsVersion): number {
  const version = VERSIONS[given === undefined ? otherwise : String(given)];
  if (version === undefined)
    throw invalidArgument(argument, `${argument} is 'TLSv1.2' or 'TLSv1.3', not ${shown(given)}`);
  return version;
}

// Read at startup, as Node does.
const EXTRA = process.env.NODE_EXTRA_CA_CERTS;

function trustedByNode(): readonly string[] {
  const { getCACertificates } = tls as {
    readonly getCACertificates?: (type: 'default') => readonly string[];
  };
  if (getCACertificates !== undefined) return getCACertificates('default');
  return [...tls.rootCertificates, ...extra()];
}

/** An unreadable file is skipped: Node has warned about it. */
function extra(): readonly string[] {
  if (!EXTRA) return [];
  try {
    const blocks = readFileSync(EXTRA, 'latin1').match(
      /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g,
    );
    return (blocks ?? []).filter(isCertificate);
  } catch {
    return [];
  }
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

// Parsing the authorities takes milliseconds, and keeping them takes megabytes. Clients with the same options share a
// context while any of them lives.
const contexts = new Map<string, WeakRef<NativeTlsContext>>();
const MOST_REMEMBERED = 64;

function contextOf(options: NativeTlsOptions): NativeTlsContext {
  // A hash, because the text contains a private key.
  const name = createHash('sha256').update(JSON.stringify(options)).digest('base64');
  const known = contexts.get(name)?.deref();
  if (known !== undefined) return known;
  const made = loadAddon().createTlsContext(options);
  if (made === undefined) {
    throw new UnsupportedError('TLS needs the OpenSSL 3 that Node has inside, and this process has none', {
      context: { argument: 'tls' },
    });
  }
  if (isMistake(made)) throw refusal(made);
  for (const [old, context] of contexts) if (context.deref() === undefined) contexts.delete(old);
  if (contexts.size < MOST_REMEMBERED) contexts.set(name, new WeakRef(made));
  return made;
}

function isMistake(made: NativeTlsContext | NativeTlsMistake): made is NativeTlsMistake {
  return 'text' in made;
}

function refusal({ option, text }: NativeTlsMistake): EvenkeelError {
  if (option === '') return new EvenkeelError(`TLS: ${text}`, { retryable: true });
  return invalidArgument(`tls.${option}`, `tls.${option}: ${text}`);
}
