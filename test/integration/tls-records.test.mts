import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTo, type Socket } from 'node:net';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import { startServer } from '../../lib/testing/index.ts';
import { AUTHORITY, SERVER, SERVER_KEY } from '../certificates.mts';
import { onBothBases } from './harness.mts';

/** What node:tls hands out at a time, which is a record, in front of a server. `port`: the server's. */
async function startRecording(port: number): Promise<{ port: number; records: Buffer[] } & AsyncDisposable> {
  const records: Buffer[] = [];
  const sockets: Socket[] = [];
  const server = createServer({ cert: SERVER, key: SERVER_KEY }, (client) => {
    const upstream = connectTo(port, '127.0.0.1');
    client.on('data', (record: Buffer) => {
      records.push(record);
      upstream.write(record);
    });
    upstream.pipe(client);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.push(socket);
      socket.on('error', () => {}).on('close', () => other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return { port: address.port, records, [Symbol.asyncDispose]: stop };
}

/** Records in which a request ends or begins that is not whole in it, although others are there. */
function divided(records: readonly Buffer[]): number {
  const all = Buffer.concat(records);
  const ends: number[] = [];
  for (let at = 0; at < all.length; ) {
    at += 24 + all.readUInt32BE(at + 8);
    ends.push(at);
  }
  let faults = 0;
  let from = 0;
  for (const record of records) {
    const to = from + record.length;
    const startsWhole = from === 0 || ends.includes(from);
    const within = ends.filter((end) => end > from && end < to);
    if (within.length > 0 && !(startsWhole && ends.includes(to))) faults += 1;
    from = to;
  }
  return faults;
}

onBothBases('a client with TLS', (bases) => {
  test('puts no part of a request into a record with others', async () => {
    await using server = await startServer();
    await using recording = await startRecording(server.port);
    await using db = await bases.connect(`memcacheds://127.0.0.1:${recording.port}`, {
      tls: { ca: AUTHORITY },
    });
    const sizes = [10, 100, 3000, 9000, 16_300, 20_000, 100_000];
    const values = Array.from({ length: 300 }, (_, i) => Buffer.alloc(sizes[i % sizes.length] as number, i));
    await Promise.all(values.map((value, i) => db.upsert(`key:${i}`, value)));
    assert.deepEqual(await Promise.all(values.map((_, i) => db.get(`key:${i}`))), values);
    assert.equal(divided(recording.records), 0);
  });
});
