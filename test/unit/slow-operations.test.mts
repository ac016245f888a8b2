import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  resolveSlowOperations,
  type SlowOperation,
  SlowOperations,
  type SlowOperationsOptions,
  type SlowOperationsReport,
} from '../../lib/observability/slow-operations.ts';

const slow = (duration: number): SlowOperation => ({
  op: 'get',
  key: `k${duration}`,
  node: 'cache-1:11211',
  attempts: 1,
  duration,
  queued: 1,
  isAnswered: true,
});

function logOf(options: Partial<SlowOperationsOptions> = {}): {
  readonly operations: SlowOperations;
  readonly reports: SlowOperationsReport[];
} {
  const reports: SlowOperationsReport[] = [];
  const log = (report: SlowOperationsReport): void => void reports.push(report);
  const resolved = resolveSlowOperations({ threshold: 5, log, ...options });
  assert.ok(resolved);
  return { operations: new SlowOperations('memcached', resolved), reports };
}

const nextTick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

test('a report has all in its count, and shows the slowest only, however many there are', async () => {
  const { operations, reports } = logOf({ samples: 3 });
  const durations = Array.from({ length: 10_000 }, (_, i) => ((i * 7919) % 10_007) + 5);
  for (const duration of durations) operations.note(slow(duration));
  operations.end();
  assert.equal(reports.length, 0);
  await nextTick();
  assert.equal(reports.length, 1);
  const report = reports[0];
  assert.deepEqual([report?.engine, report?.threshold, report?.count], ['memcached', 5, 10_000]);
  const slowest = durations.sort((a, b) => b - a).slice(0, 3);
  assert.deepEqual(
    report?.slowest.map(({ duration }) => duration),
    slowest,
  );
});

test('each interval with slow operations has a report of its own, others have none', async () => {
  const alive = setInterval(() => {}, 1000); // a report keeps nobody alive
  const report = await new Promise<SlowOperationsReport>((log) => {
    const { operations } = logOf({ interval: 1, log });
    operations.note(slow(7));
  });
  assert.equal(report.count, 1);
  clearInterval(alive);
  const { operations: silent, reports } = logOf();
  silent.end();
  await nextTick();
  assert.deepEqual(reports, []);
});

test('a log that throws loses nothing but its own report', async () => {
  const uncaught: Error[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => void uncaught.push(error));
  let calls = 0;
  const { operations } = logOf({
    log: () => {
      calls += 1;
      if (calls === 1) throw new Error('of the log');
    },
  });
  operations.note(slow(6));
  operations.end();
  await new Promise(setImmediate);
  process.setUncaughtExceptionCaptureCallback(null);
  assert.deepEqual(
    uncaught.map(({ message }) => message),
    ['of the log'],
  );
  operations.note(slow(6));
  operations.end();
  await nextTick();
  assert.equal(calls, 2);
});

test('by default it is a warning of the process, on one line and without keys', async () => {
  const { operations } = logOf({ log: undefined });
  const warned = once(process, 'warning');
  operations.note({ ...slow(12.34), isAnswered: false });
  operations.note({ ...slow(5), node: undefined, queued: undefined });
  operations.end();
  const [warning] = (await warned) as [Error & { readonly code: string }];
  assert.equal(warning.code, 'EVENKEEL_SLOW_OPERATIONS');
  assert.equal(
    warning.message,
    'memcached: 2 operations took 5 ms or longer: get cache-1:11211 12.3 ms (1.0 queued) unanswered, get 5.0 ms',
  );
});

test('bad options are refused by name', () => {
  const refused = (options: unknown, argument: string): void => {
    const matches = { code: 'EVENKEEL_INVALID_ARGUMENT', context: { argument } };
    assert.throws(() => resolveSlowOperations(options as SlowOperationsOptions), matches);
  };
  assert.equal(resolveSlowOperations(undefined), undefined);
  refused(null, 'slowOperations');
  refused(5, 'slowOperations');
  refused({}, 'slowOperations.threshold');
  refused({ threshold: 0 }, 'slowOperations.threshold');
  refused({ threshold: 4_000_000 }, 'slowOperations.threshold');
  refused({ threshold: 5, interval: -1 }, 'slowOperations.interval');
  refused({ threshold: 5, samples: 0 }, 'slowOperations.samples');
  refused({ threshold: 5, samples: 1001 }, 'slowOperations.samples');
  refused({ threshold: 5, log: 'console' }, 'slowOperations.log');
  refused({ threshold: 5, treshold: 1 }, 'slowOperations');
});
