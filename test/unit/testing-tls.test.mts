import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { type ServerOptions, startServer } from '../../lib/testing/index.ts';
import { skipWithout } from '../conformance/tool.mts';

const skip = skipWithout('openssl', 'openssl');
const { key, cert } = skip ? { key: '', cert: '' } : certificate();

/** A self-signed certificate of this run. */
function certificate(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-'));
  try {
    const [keyPath, certPath] = [join(folder, 'key'), join(folder, 'cert')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
    const made = spawnSync('openssl', [
      'req',
      '-x509',
      ...curve,
      ...subject,
      '-keyout',
      keyPath,
      '-out',
      certPath,
    ]);
    assert.equal(made.status, 0, made.stderr.toString());
    return { key: readFileSync(keyPath, 'latin1'), cert: readFileSync(certPath, 'latin1') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function secured(server: { readonly port: number }): Promise<TLSSocket> {
  const socket = connect({ port: server.port, host: '127.0.0.1', ca: cert });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

/** What comes until it is enough or the end. */
function textOf(socket: TLSSocket, isEnough: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (isEnough(text)) resolve(text);
    });
    socket.on('close', () => resolve(text));
  });
}

/** Resolves at the end of a connection, with an error or without. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}

const endsWith = (last: string) => (text: string) => text.endsWith(last);

for (const options of [{}, { worker: true }] satisfies ServerOptions[])
  describe(`a test server with TLS ${options.worker ? 'in a worker' : 'in this thread'}`, { skip }, () => {
    test('serves who trusts its certificate', async () => {
      await using server = await startServer({ ...options, tls: { key, cert } });
      assert.equal(server.url, `memcacheds://127.0.0.1:${server.port}`);
      const socket = await secured(server);
      assert.equal(socket.authorized, true);
      await server.waitForConnections(1);
      const value = 'x'.repeat(500_000);
      socket.write(`set k 0 0 ${value.length}\r\n${value}\r\nget k\r\n`);
      assert.equal(
        await textOf(socket, endsWith('END\r\n')),
        `STORED\r\nVALUE k 0 ${value.length}\r\n${value}\r\nEND\r\n`,
      );
      socket.destroy();
      await server.waitForConnections(0);
    });

    test('ends who speaks without it, or is gone in the handshake', async () => {
      await using server = await startServer({ ...options, tls: { key, cert } });
      const plain = connectSocket(server.port, '127.0.0.1');
      plain.write('version\r\n');
      await closed(plain);
      const distrustful = connect({ port: server.port, host: '127.0.0.1' });
      await assert.rejects(once(distrustful, 'secureConnect'));
      const socket = await secured(server);
      socket.end('version\r\n');
      assert.match(await textOf(socket), /^VERSION/);
    });

    test('has the faults of new connections before the handshake, and those of requests in it', async () => {
      await using server = await startServer({ ...options, tls: { key, cert } });
      const reset = await server.fault({ on: 'connect', times: 1, action: { kind: 'reset' } });
      await assert.rejects(
        once(connect({ port: server.port, host: '127.0.0.1', ca: cert }), 'secureConnect'),
      );
      assert.equal(await reset.hits(), 1);
      await server.fault({
        on: 'connect',
        times: 1,
        action: { kind: 'banner', bytes: Buffer.from('hello') },
      });
      const greeted = await secured(server);
      assert.equal(await textOf(greeted, endsWith('hello')), 'hello');
      greeted.destroy();
      await server.clearFaults();
      const within = await server.fault({ action: { kind: 'reset' } });
      const socket = await secured(server);
      socket.write('version\r\n');
      assert.equal(await textOf(socket), '');
      assert.equal(await within.hits(), 1);
    });

    test('ends handshakes that are under way when it stops, and holds them while it is paused', async () => {
      await using server = await startServer({ ...options, tls: { key, cert } });
      await server.pause();
      const socket = connect({ port: server.port, host: '127.0.0.1', ca: cert });
      let isSecure = false;
      const secure = once(socket, 'secureConnect').then(() => {
        isSecure = true;
      });
      await once(socket, 'connect');
      for (let turn = 0; turn < 5; turn += 1) await server.connections();
      assert.equal(isSecure, false);
      await server.resume();
      await secure;
      socket.destroy();
      const silent = connectSocket(server.port, '127.0.0.1');
      await once(silent, 'connect');
      await Promise.all([server.close(), closed(silent)]);
    });
  });

test('asks for the certificate of the client where it is told to', { skip }, async () => {
  await using server = await startServer({
    tls: { key, cert, ca: cert, requestCert: true, maxVersion: 'TLSv1.2' },
  });
  const without = connect({ port: server.port, host: '127.0.0.1', ca: cert });
  await closed(without);
  const socket = connect({ port: server.port, host: '127.0.0.1', ca: cert, key, cert });
  socket.end('version\r\n');
  assert.match(await textOf(socket), /^VERSION/);
});

test('options of TLS that make no sense are refused', async () => {
  await assert.rejects(startServer({ tls: true as unknown as object }), {
    code: 'EVENKEEL_INVALID_ARGUMENT',
    context: { argument: 'tls' },
  });
  await assert.rejects(startServer({ tls: {}, path: '/tmp/s' }), { context: { argument: 'tls' } });
  for (const worker of [false, true])
    await assert.rejects(startServer({ worker, tls: { key: 'no key', cert: 'no certificate' } }), Error);
});
