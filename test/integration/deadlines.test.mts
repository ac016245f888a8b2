import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidArgumentError, TimeoutError } from '../../lib/errors.ts';
import { takes } from '../loop-time.mts';
import { inBothProtocols, outcomes, startPair } from './harness.mts';

/** Keeps JavaScript from everything else. */
function beBusy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

// Sanitizers multiply what ten thousand errors cost.
const instrumented = process.env.LD_PRELOAD?.includes('asan') ?? false;

inBothProtocols('deadlines', (bases) => {
  test('ten thousand operations behind a silent server all end after their deadline, at a small cost', async () => {
    await using pair = await startPair(bases, { timeout: 300, silenceTimeout: 100_000 });
    const { db, server } = pair;
    await server.pause();
    const begin = performance.now();
    const before = process.cpuUsage();
    const promises: Promise<unknown>[] = [];
    for (let i = 0; i < 5000; i += 1) promises.push(db.get(`k${i}`), db.upsert(`k${i}`, i, { timeout: 250 }));
    assert.deepEqual(new Set(await outcomes(promises)), new Set(['EVENKEEL_TIMEOUT']));
    assert.ok(performance.now() - begin >= 299);
    // How long it takes is the machine's business.
    const { user, system } = process.cpuUsage(before);
    const spent = (user + system) / 1000;
    assert.ok(spent < (instrumented ? 10_000 : 1500), `${spent} ms of CPU`);
  });

  test('the first of many to find the server silent turns none of the others into another error', async () => {
    await using pair = await startPair(bases, { timeout: 100 });
    await pair.server.pause();
    const codes = await outcomes(Array.from({ length: 3000 }, (_, i) => pair.db.get(`k${i}`)));
    assert.deepEqual(new Set(codes), new Set(['EVENKEEL_TIMEOUT']));
  });

  test('a TimeoutError is ambiguous when a mutation had been written, and says what it knows', async () => {
    await using pair = await startPair(bases);
    const { db, server } = pair;
    await server.pause();
    const [read, written] = await Promise.allSettled([
      db.get('read', { timeout: 40 }),
      db.upsert('written', 1, { timeout: 40 }),
    ]);
    for (const [each, op, ambiguous] of [
      [read, 'get', false],
      [written, 'upsert', true],
    ] as const) {
      const { reason } = each as PromiseRejectedResult;
      assert.ok(reason instanceof TimeoutError);
      assert.equal(reason.retryable, true);
      assert.equal(reason.ambiguous, ambiguous);
      assert.equal(reason.context.op, op);
      assert.equal(reason.context.node, `127.0.0.1:${server.port}`);
      assert.equal(reason.context.attempts, 1);
    }
  });

  const isInOrder =
    bases.protocol === 'meta' && 'its server has no answer for the next before that for the first';
  test('testTimeoutOnlyStale: only the operation past its own deadline times out', {
    skip: isInOrder,
  }, async () => {
    await using pair = await startPair(bases, { timeout: 5000 });
    const { db, server } = pair;
    await server.fault({ key: 'stale', action: { kind: 'hang', later: 'answer' } });
    const stale = db.upsert('stale', 1, { timeout: 50 });
    const young = db.get('young');
    assert.equal(await young, undefined);
    await assert.rejects(stale, TimeoutError);
    await server.pause();
    const patient = db.get('slow');
    await assert.rejects(db.get('slow', { timeout: 30 }), TimeoutError);
    await server.resume();
    assert.equal(await patient, undefined);
  });

  test('the answer that comes too late settles nothing else', async () => {
    await using pair = await startPair(bases, { maxInFlight: 4, maxQueued: 4 });
    const { db, server } = pair;
    await Promise.all([db.upsert('slow', 'slow'), db.upsert('next', 'next')]);
    for (let round = 0; round < 5; round += 1) {
      await server.pause();
      await assert.rejects(db.get('slow', { timeout: 20 }), TimeoutError);
      const others = Promise.all([db.get('next'), db.get('missing')]);
      await server.resume();
      assert.deepEqual(await others, ['next', undefined]);
    }
  });

  test('count from the call, however long JavaScript is busy after it', async () => {
    await using pair = await startPair(bases, { silenceTimeout: 100_000 });
    const { db, server } = pair;
    await server.pause();
    await takes(bases.base, 149, 235, async () => {
      const got = db.get('k', { timeout: 150 });
      beBusy(100);
      await assert.rejects(got, TimeoutError);
    });
  });

  test('a connection that stays silent is replaced, and what comes next is answered', async () => {
    await using pair = await startPair(bases, { timeout: 60, backoff: { min: 1, max: 5 } });
    const { db, server } = pair;
    const hang = await server.fault({ key: 'k', action: { kind: 'hang' } });
    await assert.rejects(db.get('k'), TimeoutError);
    await hang.remove();
    // A read: whether a write that meets the end of the connection was executed nobody knows.
    assert.equal(await db.get('k', { timeout: 30_000 }), undefined);
    await db.upsert('k', 1, { timeout: 30_000 });
    assert.equal(await db.get('k', { timeout: 30_000 }), 1);
  });

  test('what is no number of milliseconds is refused by the call', async () => {
    await using pair = await startPair(bases);
    for (const timeout of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '1', null, 1n]) {
      const options = { timeout: timeout as number };
      const { db } = pair;
      for (const call of [
        () => db.get('k', options),
        () => db.getMany(['k'], options),
        () => db.upsert('k', 1, options),
        () => db.touch('k', { ...options, ttl: 1 }),
        () => db.increment('k', options),
        () => db.append('k', 'v', options),
        () => db.remove('k', options),
      ]) {
        assert.throws(
          call,
          (error) => error instanceof InvalidArgumentError && error.context.argument === 'timeout',
        );
      }
    }
  });
});
