import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, EventBase, type SlowOperationsReport } from 'evenkeel';
import { pause } from '../pause.mts';
import { onBothBases, outcomes, startPair, until } from './harness.mts';

/** What is reported once the database has closed, as one. */
function gathered(): {
  readonly slowOperations: {
    threshold: number;
    interval: number;
    log: (report: SlowOperationsReport) => void;
  };
  readonly report: Promise<SlowOperationsReport>;
} {
  let log: (report: SlowOperationsReport) => void = () => {};
  const report = new Promise<SlowOperationsReport>((resolve) => {
    log = resolve;
  });
  return { slowOperations: { threshold: 20, interval: 600_000, log }, report };
}

onBothBases('slow operations', (bases) => {
  test('are reported with where they spent their time: on the wire, or queued', async () => {
    const { slowOperations, report } = gathered();
    {
      await using pair = await startPair(bases, { slowOperations, maxInFlight: 1 });
      const { db, server } = pair;
      await server.pause();
      const first = db.get('written');
      await until(() => db.stats().nodes[0]?.inFlight === 1);
      const second = db.upsert('queued', 'v');
      await pause(30);
      await server.resume();
      await Promise.all([first, second]);
    }
    const { engine, threshold, count, slowest, since } = await report;
    assert.deepEqual([engine, threshold], ['memcached', 20]);
    assert.ok(count >= 2);
    assert.ok(since instanceof Date);
    const got = slowest.find(({ op }) => op === 'get');
    const put = slowest.find(({ op }) => op === 'upsert');
    assert.ok(got && put);
    assert.deepEqual([got.key, got.attempts, got.isAnswered], ['written', 1, true]);
    assert.match(got.node ?? '', /^127\.0\.0\.1:\d+$/);
    assert.ok(got.duration >= 29 && (got.queued ?? 0) < got.duration, JSON.stringify(got));
    assert.ok(
      put.duration >= 20 && (put.queued ?? 0) > 0 && (put.queued ?? 0) <= put.duration,
      JSON.stringify(put),
    );
  });

  test('are reported when they were not answered, and never left', async () => {
    const { slowOperations, report } = gathered();
    {
      await using pair = await startPair(bases, { slowOperations });
      const { db, server } = pair;
      await server.stop();
      await until(() => db.topology.nodes[0]?.state === 'disconnected');
      const gets = Array.from({ length: 50 }, (_, i) => db.get(`k${i}`, { timeout: 250 }));
      assert.deepEqual(new Set(await outcomes(gets)), new Set(['EVENKEEL_TIMEOUT']));
    }
    const { count, slowest } = await report;
    assert.equal(count, 50);
    assert.equal(slowest.length, 10);
    for (const { op, isAnswered, queued, duration, attempts } of slowest) {
      assert.deepEqual([op, isAnswered, attempts], ['get', false, 1]);
      assert.equal(queued, duration);
      assert.ok(duration >= 20);
    }
  });

  test('are one operation with those before, when they were made again', async () => {
    const { slowOperations, report } = gathered();
    {
      await using pair = await startPair(bases, { slowOperations, backoff: { min: 1, max: 5 } });
      const { db, server } = pair;
      await server.pause();
      const got = db.get('k');
      await until(() => db.stats().nodes[0]?.inFlight === 1);
      await pause(30);
      await server.stop();
      await until(() => db.topology.nodes[0]?.state === 'disconnected');
      await server.restart();
      await server.resume();
      assert.equal(await got, undefined);
    }
    const { count, slowest } = await report;
    const [slow] = slowest;
    assert.ok(count === 1 && slow !== undefined);
    assert.deepEqual([slow.attempts, slow.isAnswered], [2, true]);
    assert.ok(slow.duration >= 29 && (slow.queued ?? 0) >= 29, JSON.stringify(slow));
  });

  test('what is quicker is not reported', async () => {
    const reports: SlowOperationsReport[] = [];
    const log = (report: SlowOperationsReport): void => void reports.push(report);
    const slowOperations = { threshold: 3_600_000, log };
    {
      await using pair = await startPair(bases, { slowOperations });
      await pair.db.get('k');
    }
    await pause(1);
    assert.deepEqual(reports, []);
  });
});

test('an embedded database reports calls that take long', async () => {
  const base = EventBase.create();
  const { slowOperations, report } = gathered();
  {
    await using db = await connect('embedded:', { slowOperations, eventBase: base });
    await db.upsert('k', 'v');
    await db.transaction(async (tx) => {
      await pause(30);
      await tx.get('k');
    });
  }
  const { engine, slowest } = await report;
  assert.equal(engine, 'embedded');
  const slow = slowest.find(({ op }) => op === 'transaction');
  assert.ok(slow && slow.duration >= 20);
  assert.deepEqual([slow.node, slow.queued, slow.isAnswered], [undefined, undefined, true]);
  await base.close();
});
