import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect } from '../../lib/connect.ts';
import * as errors from '../../lib/errors.ts';
import { startMemcached } from '../conformance/memcached.mts';
import { skipWithout } from '../conformance/tool.mts';
import { BOTH_PROTOCOLS, everywhere, onBothBases, startPair } from './harness.mts';

everywhere(
  'an error',
  (site) => {
    test('knows the operation, the key, the server, the attempts and the status', async () => {
      await using db = await site.open();
      const { node } = site;
      const key = site.key();
      const { cas } = await db.upsert(key, 'text');
      await db.upsert(key, 'text');
      const missing = site.key();
      const cases: [
        Promise<unknown>,
        new (message: string) => errors.EvenkeelError,
        string,
        string,
        number,
      ][] = [
        [db.insert(key, 1), errors.KeyExistsError, 'insert', key, 2],
        [db.upsert(key, 1, { cas }), errors.CasMismatchError, 'upsert', key, 2],
        [db.remove(key, { cas }), errors.CasMismatchError, 'remove', key, 2],
        [db.replace(missing, 1), errors.KeyNotFoundError, 'replace', missing, 1],
        [db.upsert(missing, 1, { cas }), errors.KeyNotFoundError, 'upsert', missing, 1],
        [db.append(missing, 'x'), errors.KeyNotFoundError, 'append', missing, 5],
        [db.prepend(missing, 'x'), errors.KeyNotFoundError, 'prepend', missing, 5],
        [db.increment(key), errors.ServerError, 'increment', key, 6],
      ];
      for (const [promise] of cases) promise.catch(() => {}); // each is looked at in its turn
      for (const [promise, kind, op, ofKey, status] of cases) {
        await assert.rejects(promise, (error) => {
          assert.ok(error instanceof kind && error instanceof errors.EvenkeelError);
          assert.deepEqual(error.context, { op, key: ofKey, node, attempts: 1, status });
          assert.deepEqual([error.retryable, error.ambiguous], [false, false]);
          assert.ok(error.message.startsWith(`${op}: `));
          return true;
        });
      }
    });
  },
  BOTH_PROTOCOLS,
);

everywhere(
  'an append or prepend',
  (site) => {
    test('that would make the record too large says so, and leaves it as it is', async () => {
      await using db = await site.open();
      const key = site.key();
      await db.upsert(key, Buffer.alloc(700_000));
      for (const extend of [db.append(key, 'x'.repeat(500_000)), db.prepend(key, Buffer.alloc(500_000))]) {
        await assert.rejects(extend, (error) => {
          assert.ok(error instanceof errors.InvalidArgumentError);
          assert.deepEqual([error.context.argument, error.context.status], ['value', 5]);
          return true;
        });
      }
      assert.equal((await db.get<Buffer>(key))?.length, 700_000);
      await assert.rejects(
        db.schedule((ctx) => ctx.append(site.key(), 'x')),
        errors.KeyNotFoundError,
      );
    });
  },
  BOTH_PROTOCOLS,
);

everywhere(
  'append() or insert()',
  (site) => {
    test('keeps a list that many begin at once, and loses nothing', async () => {
      await using db = await site.open();
      const add = async (key: string, line: string): Promise<void> => {
        const isMissing = await db.append(key, line).then(
          () => false,
          (error) => error instanceof errors.KeyNotFoundError || Promise.reject(error),
        );
        if (!isMissing) return;
        const isLate = await db.insert(key, line).then(
          () => false,
          (error) => error instanceof errors.KeyExistsError || Promise.reject(error),
        );
        if (isLate) await add(key, line);
      };
      for (let round = 0; round < 20; round += 1) {
        const key = site.key();
        const adding: Promise<void>[] = [];
        for (let i = 0; i < 10; i += 1) {
          adding.push(add(key, `${i}`));
          if (i % 3 === 0) await setImmediate();
        }
        await Promise.all(adding);
        assert.deepEqual([...((await db.get<string>(key)) ?? '')].sort().join(''), '0123456789');
      }
    });
  },
  BOTH_PROTOCOLS,
);

test('a server without versions gives 0n for one, and a write does not take it', {
  skip: skipWithout('memcached', 'memcached'),
}, async () => {
  await using server = await startMemcached({ options: ['-C'] });
  await using db = await connect(`memcached://127.0.0.1:${server.port}`);
  const { cas } = await db.upsert('k', 1);
  assert.equal(cas, 0n);
  assert.throws(() => db.replace('k', 2, { cas }), errors.UnsupportedError);
  await assert.rejects(
    db.schedule((ctx) => ctx.remove('k', { cas })),
    errors.UnsupportedError,
  );
});

onBothBases('an error', (bases) => {
  test('of an append is none when its record has come meanwhile: what the call was given is added', async () => {
    await using pair = await startPair(bases);
    const { db, server } = pair;
    await db.upsert('k', 'was ');
    const refusal = { opcode: 'append', action: { kind: 'status', status: 5 }, times: 1 } as const;
    await server.fault(refusal);
    const given = Buffer.from('given');
    const appended = db.append('k', given);
    given.fill('x');
    await appended;
    const refused = await server.fault(refusal);
    const controller = new AbortController();
    const aborted = db.append('k', 'never', { signal: controller.signal });
    await refused.waitForHits();
    controller.abort();
    await assert.rejects(aborted, { name: 'AbortError' });
    assert.equal(await db.get('k'), 'was given');
  });

  test('of an append says what is known when the server does not tell why, within its deadline', async () => {
    await using pair = await startPair(bases);
    await pair.server.fault({ opcode: 'get', action: { kind: 'hang' } });
    await assert.rejects(pair.db.append('missing', 'x', { timeout: 200 }), (error) => {
      assert.ok(error instanceof errors.ServerError);
      assert.deepEqual([error.retryable, error.ambiguous], [true, false]);
      assert.ok(error.cause instanceof errors.TimeoutError);
      return true;
    });
  });

  const statuses: [status: number, code: string, retryable: boolean][] = [
    [0x03, 'EVENKEEL_INVALID_ARGUMENT', false],
    [0x04, 'EVENKEEL_SERVER', false],
    [0x20, 'EVENKEEL_AUTHENTICATION', false],
    [0x21, 'EVENKEEL_AUTHENTICATION', false],
    [0x81, 'EVENKEEL_UNSUPPORTED', false],
    [0x82, 'EVENKEEL_SERVER', true],
    [0x84, 'EVENKEEL_SERVER', false],
    [0x85, 'EVENKEEL_SERVER', true],
    [0x86, 'EVENKEEL_SERVER', true],
    [0xffff, 'EVENKEEL_SERVER', false],
  ];
  for (const [status, code, retryable] of statuses) {
    test(`of status 0x${status.toString(16)} is ${code}${retryable ? ', retryable' : ''}`, async () => {
      await using pair = await startPair(bases);
      const { db, server } = pair;
      await server.fault({ key: 'k', action: { kind: 'status', status, body: 'the words' } });
      for (const call of [() => db.get('k'), () => db.upsert('k', 1), () => db.remove('k')]) {
        await assert.rejects(call(), (error) => {
          assert.ok(error instanceof errors.EvenkeelError);
          assert.deepEqual([error.code, error.retryable, error.context.status], [code, retryable, status]);
          return true;
        });
      }
      assert.equal(await db.get('other'), undefined);
    });
  }

  test('quotes the words of the server where nothing better is known', async () => {
    await using pair = await startPair(bases);
    const body = `${'w'.repeat(300)}`;
    await pair.server.fault({ key: 'k', action: { kind: 'status', status: 0x99, body } });
    await assert.rejects(pair.db.get('k'), { message: /0x99: w{256}$/ });
    await pair.server.fault({ key: 'mute', action: { kind: 'status', status: 0x99, body: '' } });
    await assert.rejects(pair.db.get('mute'), { message: 'get: the server answered with status 0x99' });
  });

  test('of a lost connection has its cause, and is ambiguous for a mutation that had been written', async () => {
    await using pair = await startPair(bases, { backoff: { min: 1, max: 5 } });
    const { db, server } = pair;
    await server.fault({ key: 'k', opcode: 'set', action: { kind: 'reset', when: 'after' } });
    await assert.rejects(db.upsert('k', 'written'), (error) => {
      assert.ok(error instanceof errors.ConnectionError);
      assert.deepEqual([error.retryable, error.ambiguous], [true, true]);
      assert.ok(['ECONNRESET', 'EPROTO'].includes((error.cause as { code: string }).code));
      assert.deepEqual(error.context, {
        op: 'upsert',
        key: 'k',
        node: `127.0.0.1:${server.port}`,
        attempts: 1,
      });
      return true;
    });
    assert.equal(await db.get('k'), 'written');
  });

  test('counts every attempt', async () => {
    await using pair = await startPair(bases, { backoff: { min: 1, max: 5 } });
    const { db, server } = pair;
    await db.upsert('k', 1);
    const reset = await server.fault({ key: 'k', times: 3, action: { kind: 'reset' } });
    await server.fault({ key: 'k', action: { kind: 'status', status: 0x84 } });
    await assert.rejects(db.get('k'), (error) => {
      return error instanceof errors.ServerError && error.context.attempts === 4;
    });
    assert.equal(await reset.hits(), 3);
  });

  test('of a counter without its eight bytes is a ServerError', async () => {
    await using pair = await startPair(bases);
    await pair.server.fault({ key: 'k', action: { kind: 'status', status: 0, body: '12' } });
    await assert.rejects(pair.db.increment('k'), (error) => {
      return (
        error instanceof errors.ServerError && error.context.op === 'increment' && error.context.key === 'k'
      );
    });
    assert.equal(await pair.db.get('other'), undefined);
  });
});
