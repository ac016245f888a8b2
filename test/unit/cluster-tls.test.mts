import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { resolveTls, type TlsOptions } from '../../lib/cluster/tls.ts';
import { InvalidArgumentError } from '../../lib/errors.ts';
import { AUTHORITY, CLIENT, CLIENT_KEY, SERVER_KEY } from '../certificates.mts';

test('without the option there is no TLS', () => {
  assert.equal(resolveTls(undefined), undefined);
  assert.equal(resolveTls(false), undefined);
});

test('true trusts whom Node trusts', () => {
  const tls = resolveTls(true);
  assert.equal(tls?.servername, undefined);
  assert.equal(tls?.rejectUnauthorized, true);
});

test('the same options share one context, others do not', () => {
  const one = resolveTls({ ca: AUTHORITY });
  assert.equal(resolveTls({ ca: [Buffer.from(AUTHORITY)] })?.context, one?.context);
  assert.equal(resolveTls({ ca: AUTHORITY, servername: 'cache' })?.context, one?.context);
  assert.notEqual(resolveTls({ ca: AUTHORITY, minVersion: 'TLSv1.3' })?.context, one?.context);
});

test('a client may have a certificate of its own', () => {
  assert.ok(resolveTls({ ca: AUTHORITY, cert: CLIENT, key: Buffer.from(CLIENT_KEY) }));
});

describe('refused, naming the option:', () => {
  const client = { ca: AUTHORITY, cert: CLIENT, key: CLIENT_KEY };
  const cases: [argument: string, options: unknown[]][] = [
    ['tls', [null, 1, 'yes', [], { caa: AUTHORITY }]],
    ['tls.ca', [{ ca: null }, { ca: '' }, { ca: 'none' }, { ca: [AUTHORITY, 'none'] }, { ca: [undefined] }]],
    ['tls.ca', [{ ca: AUTHORITY.slice(0, 200) }, { ca: 5 }, { ca: new Uint8Array(0) }]],
    [
      'tls.cert',
      [
        { ca: AUTHORITY, key: CLIENT_KEY },
        { ...client, cert: 'none' },
        { ...client, cert: null },
      ],
    ],
    [
      'tls.key',
      [
        { ca: AUTHORITY, cert: CLIENT },
        { ...client, key: SERVER_KEY },
        { ...client, key: CLIENT },
      ],
    ],
    [
      'tls.passphrase',
      [
        { ...client, passphrase: 5 },
        { ...client, passphrase: null },
      ],
    ],
    ['tls.servername', [{ servername: '' }, { servername: 'two words' }, { servername: null }]],
    ['tls.rejectUnauthorized', [{ rejectUnauthorized: 0 }, { rejectUnauthorized: null }]],
    ['tls.minVersion', [{ minVersion: 'TLSv1' }, { minVersion: null }, { minVersion: {} }]],
    ['tls.minVersion', [{ ca: AUTHORITY, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }]],
    ['tls.maxVersion', [{ maxVersion: 'SSLv3' }, { maxVersion: 1.3 }]],
  ];
  for (const [argument, values] of cases) {
    for (const value of values) {
      test(`${argument}: ${JSON.stringify(value)?.slice(0, 60)}`, () => {
        assert.throws(
          () => resolveTls(value as TlsOptions),
          (error) =>
            error instanceof InvalidArgumentError &&
            error.context.argument === argument &&
            error.message.includes(argument),
        );
      });
    }
  }
});

test('what is secret is not in the message', () => {
  assert.throws(
    () => resolveTls({ cert: CLIENT, key: 7 as never, passphrase: 'sesame' }),
    (error) => error instanceof InvalidArgumentError && !/sesame/.test(error.message),
  );
});

test('NODE_EXTRA_CA_CERTS may name what is no file or has nonsense in it', (context) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'evenkeel-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'extra.pem');
  writeFileSync(file, `${AUTHORITY}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
  const library = fileURLToPath(new URL('../../dist/cluster/tls.js', import.meta.url));
  const program = `require(${JSON.stringify(library)}).resolveTls(true)`;
  for (const name of [file, `${file}.none`, folder]) {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: name, NODE_NO_WARNINGS: '1' };
    execFileSync(process.execPath, ['-e', program], { env, stdio: 'pipe' });
  }
});
