import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { AuthenticationError, type ConnectOptions, connect, InvalidArgumentError } from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { startAuthenticating } from '../conformance/authenticating.mts';
import { skipWithout } from '../conformance/tool.mts';
import { until } from '../faults/harness.mts';
import { onBothBases } from './harness.mts';

const credentials = { username: 'ada', password: 'se:cret' };
const wrong = { username: 'ada', password: 'wr0ng' };

const refused =
  (message: RegExp) =>
  (error: unknown): boolean =>
    error instanceof AuthenticationError &&
    message.test(error.message) &&
    !/wr0ng|cret/.test(inspect(error, { depth: 10, showHidden: true }));

const quick: ConnectOptions = { backoff: { min: 1, max: 5 } };

onBothBases('a client of a server that wants authentication', (bases) => {
  for (const protocol of ['binary', 'meta'] as const)
    test(`authenticates over the ${protocol} protocol`, async () => {
      await using server = await startServer({ credentials });
      await using db = await bases.connect(server.url, { ...credentials, protocol });
      await db.upsert('a', 'b');
      assert.equal(await db.get('a'), 'b');
      const address = server.url.replace('://', '://ada:se%3Acret@');
      await using other = await bases.connect(address, { protocol });
      assert.equal(await other.get('a'), 'b');
    });

  for (const protocol of ['binary', 'meta'] as const) {
    test(`authenticates again when it reconnects over the ${protocol} protocol`, async () => {
      await using server = await startServer({ credentials });
      await using db = await bases.connect(server.url, { ...credentials, ...quick, protocol });
      await db.upsert('a', 'b');
      await server.stop();
      await until(() => db.topology.nodes[0]?.state === 'disconnected', 'the loss');
      await server.restart();
      await db.upsert('a', 'c');
      assert.equal(await db.get('a'), 'c');
    });

    test(`is refused at connect() over the ${protocol} protocol`, async () => {
      await using server = await startServer({ credentials });
      await assert.rejects(
        bases.connect(server.url, { ...wrong, protocol }),
        refused(/^connect: 127\.0\.0\.1:\d+: the server refuses the credentials$/),
      );
      await assert.rejects(
        bases.connect(server.url, { protocol }),
        refused(/the server wants authentication/),
      );
    });

    test(`tells operations that it is refused, and goes on trying, over the ${protocol} protocol`, async () => {
      const first = await startServer({ credentials });
      await using db = await bases.connect(first.url, { ...credentials, ...quick, protocol });
      await first.close();
      const { port } = first;
      const changed = await startServer({ port, credentials: { ...credentials, password: 'changed' } });
      await until(() => db.topology.nodes[0]?.lastFault instanceof AuthenticationError, 'the refusal');
      for (const act of [() => db.get('a'), () => db.upsert('a', 1), () => db.getMany(['a', 'b'])])
        await assert.rejects(act, refused(/not connected: the server refuses the credentials$/));
      assert.doesNotMatch(inspect(db.topology, { depth: 10 }), /cret/);
      await changed.close();
      await using again = await startServer({ port, credentials });
      await until(() => db.topology.nodes[0]?.state === 'connected', 'the connection');
      await db.upsert('a', 1);
      assert.equal((await again.stats()).curr_items, '1');
    });

    test(`says it to the operations of a lazy one over the ${protocol} protocol`, async () => {
      await using server = await startServer({ credentials });
      await using db = await bases.connect(server.url, { ...wrong, protocol, lazy: true });
      await assert.rejects(db.get('a'), refused(/not connected: the server refuses the credentials/));
    });

    test(`needs no server that asks over the ${protocol} protocol, and leaves no password there`, async () => {
      await using server = await startServer({ record: true });
      await using db = await bases.connect(server.url, { ...credentials, protocol });
      await db.upsert('a', 'b');
      assert.equal(await db.get('login'), undefined);
      const said = Buffer.concat((await server.received()).map(({ bytes }) => bytes)).toString('latin1');
      if (protocol === 'meta') assert.doesNotMatch(said, /cret/);
    });
  }

  for (const [protocol, opcode] of [
    ['binary', 'saslAuth'],
    ['meta', 'noop'],
  ] as const)
    test(`waits for a server that is too busy to authenticate it, over the ${protocol} protocol`, async () => {
      await using server = await startServer({ credentials });
      const statuses = protocol === 'binary' ? [0x82, 0x84, 0x85, 0x86] : [0x82, 0x84];
      for (const status of statuses)
        await server.fault({ opcode, action: { kind: 'status', status }, times: 1 });
      await using db = await bases.connect(server.url, { ...credentials, ...quick, protocol });
      assert.equal(db.stats().nodes[0]?.connectErrors, statuses.length);
      await db.upsert('a', 'b');
    });

  test('does not take one for a refusal', async () => {
    await using server = await startServer({ credentials });
    await server.fault({ opcode: 'saslAuth', action: { kind: 'status', status: 0x85, body: 'se:cret' } });
    await using db = await bases.connect(server.url, { ...credentials, ...quick, lazy: true });
    await until(() => db.topology.nodes[0]?.lastFault !== undefined, 'the fault');
    const { lastFault } = db.topology.nodes[0] ?? {};
    assert.ok(!(lastFault instanceof AuthenticationError));
    assert.equal(lastFault?.message, 'the server cannot complete the handshake now');
    assert.doesNotMatch(inspect(lastFault, { depth: 10, showHidden: true }), /cret/);
    const waiting = db.upsert('a', 'b');
    await server.clearFaults();
    await waiting;
  });

  test('is refused where its credentials are taken and do not suffice', async () => {
    await using server = await startServer({ credentials });
    await server.fault({ opcode: 'noop', action: { kind: 'status', status: 0x20 } });
    await assert.rejects(
      bases.connect(server.url, credentials),
      refused(/^connect: 127\.0\.0\.1:\d+: the server refuses the credentials$/),
    );
  });

  test('tries a server that refuses with back-off only', async () => {
    await using server = await startServer({ credentials });
    await using db = await bases.connect(server.url, {
      ...wrong,
      lazy: true,
      backoff: { min: 60_000, max: 60_000 },
    });
    for (let i = 0; i < 20; i += 1) await assert.rejects(db.get('a'), AuthenticationError);
    const { total_connections } = await server.stats();
    assert.ok(Number(total_connections) <= 2, `${total_connections} connections`);
  });

  test('of a fleet authenticates to each', async () => {
    await using a = await startServer({ credentials });
    await using b = await startServer({ credentials });
    const keys = Array.from({ length: 100 }, (_, index) => `key:${index}`);
    const fleet = `memcached://ada:se%3Acret@127.0.0.1:${a.port},127.0.0.1:${b.port}`;
    await using db = await bases.connect(fleet);
    await Promise.all(keys.map((key) => db.upsert(key, key)));
    assert.equal((await db.getMany(keys)).size, 100);
    for (const server of [a, b]) assert.ok(Number((await server.stats()).curr_items) > 0);
    await assert.rejects(
      bases.connect(fleet.replace('cret', 'cre')),
      refused(/none of 2 servers: .*the server refuses the credentials/),
    );
  });

  test('of a fleet fails the keys of the one that refuses', async () => {
    await using a = await startServer({ credentials });
    await using b = await startServer({ credentials: { ...credentials, password: 'another' } });
    await using db = await bases.connect(`memcached://127.0.0.1:${a.port},127.0.0.1:${b.port}`, credentials);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) => db.upsert(`key:${index}`, index)),
    );
    const errors = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    assert.ok(errors.length > 0 && errors.length < 100, `${errors.length} failed`);
    for (const error of errors) {
      assert.ok(refused(/the server refuses the credentials/)(error), `${error}`);
      assert.equal(error.context.node, `127.0.0.1:${b.port}`);
    }
  });

  test('shows what it says to nobody, be it what a stranger says', async () => {
    const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const { port } = echo.address() as AddressInfo;
    for (const protocol of ['binary', 'meta'] as const)
      await assert.rejects(
        bases.connect(`memcached://127.0.0.1:${port}`, { ...credentials, protocol }),
        (error) => {
          const shown = inspect(error, { depth: 10, showHidden: true });
          for (const secret of ['ada', 'cret'])
            assert.ok(!shown.includes(secret) && !shown.includes(Buffer.from(secret).toString('hex')), shown);
          return true;
        },
      );
    echo.close();
  });
});

for (const [how, protocol] of [
  ['-S', 'binary'],
  ['-Y', 'meta'],
  ['-S', 'auto'],
  ['-Y', 'auto'],
] as const)
  test(`a real memcached ${how} over the ${protocol} protocol`, {
    skip: skipWithout('memcached', 'memcached') || (how === '-S' && skipWithout('saslpasswd2', 'sasl2-bin')),
  }, async () => {
    await using server = await startAuthenticating(how, credentials);
    const url = `memcached://127.0.0.1:${server.port}`;
    await using db = await connect(url, { ...credentials, protocol });
    await db.upsert('a', 'b');
    assert.equal(await db.get('a'), 'b');
    await assert.rejects(connect(url, { ...wrong, protocol }), refused(/the server refuses the credentials/));
    await assert.rejects(
      connect(url, { username: 'bob', password: 'se:cret', protocol }),
      refused(/the server refuses the credentials/),
    );
    await assert.rejects(connect(url, { protocol }), refused(/the server wants authentication/));
  });

test('a database shows its credentials to nobody', async () => {
  await using server = await startServer({ credentials });
  await using db = await connect(server.url.replace('://', '://ada:se%3Acret@'));
  const shown = inspect([db, db.topology, db.capabilities], {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
  });
  assert.doesNotMatch(shown, /cret/);
  assert.doesNotMatch(JSON.stringify(db), /cret/);
});

test('credentials are checked at the call', async () => {
  const bad: readonly (readonly [object, string, string?])[] = [
    [{ username: 'ada' }, 'password'],
    [{ password: 'p' }, 'username'],
    [{ username: '', password: 'p' }, 'username'],
    [{ username: 'ada', password: '' }, 'password'],
    [{ username: 5, password: 'p' }, 'username'],
    [{ username: 'ada', password: null }, 'password'],
    [{ username: 'ada', password: 's3cret\0' }, 'password'],
    [{ username: 'ada', password: 's3cret'.repeat(200) }, 'password'],
    [{ username: 'ada', password: 's3 cret', protocol: 'meta' }, 'password'],
    [{ username: 'ada', password: 's3cret\r\nflush_all', protocol: 'meta' }, 'password'],
    [{ username: 'a\nda', password: 's3cret', protocol: 'meta' }, 'username'],
    [{ username: 'bob', password: 's3cret' }, 'username', 'ada:s3cret@'],
    [{ password: 's3creT' }, 'password', 'ada:s3cret@'],
  ];
  for (const [options, argument, inUrl = ''] of bad)
    await assert.rejects(
      connect(`memcached://${inUrl}127.0.0.1:1`, options),
      (error) =>
        error instanceof InvalidArgumentError &&
        error.context.argument === argument &&
        !/s3/.test(inspect(error, { depth: 10, showHidden: true })),
      JSON.stringify(options),
    );
  const same = connect('memcached://ada:s3cret@127.0.0.1:1', {
    username: 'ada',
    password: 's3cret',
    lazy: true,
  });
  await (await same).close();
});
