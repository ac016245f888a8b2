import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parking, type ParkingSite } from '../../lib/engines/network/parking.ts';
import { ServerError, TimeoutError } from '../../lib/errors.ts';
import type { Waiting } from '../../lib/transactions/compound.ts';
import { details, Kind, Operation } from '../../lib/transactions/operation.ts';
import { ManualTimers } from './manual-timers.mts';

class Site implements ParkingSite {
  readonly submitted: Operation[] = [];
  readonly waiting = new Set<Waiting>();
  /** How often it keeps the process alive. */
  holds = 0;
  refusal: Error | undefined;

  submit(operation: Operation): void {
    if (this.refusal !== undefined) throw this.refusal;
    this.submitted.push(operation);
  }

  keepAlive(doesSo: boolean): void {
    this.holds += doesSo ? 1 : -1;
  }

  wait(waiting: Waiting): void {
    this.waiting.add(waiting);
  }

  stopWaiting(waiting: Waiting): void {
    this.waiting.delete(waiting);
  }

  resume<R>(start: () => R): R {
    return start();
  }
}

function parked(
  until: Promise<unknown>,
  { signal, cause }: { signal?: AbortSignal; cause?: ServerError } = {},
) {
  const site = new Site();
  const timers = new ManualTimers();
  const parking = new Parking(site, timers);
  const operation = new Operation(Kind.upsert, 'k', 'v', { ...details(), signal }, undefined);
  operation.course = {
    deadline: performance.now() + 60_000,
    collection: 0,
    batch: [],
    retries: 0,
    failedAt: undefined,
  };
  const outcome = operation.promise();
  outcome.catch(() => {});
  parking.park(operation, { until, why: () => cause });
  return { site, timers, parking, operation, outcome };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('an operation is handed in when what it waits for is there, in the time that is left', async () => {
  const { site, operation } = parked(Promise.resolve());
  assert.equal(site.waiting.size, 1);
  await settled();
  assert.deepEqual(site.submitted, [operation]);
  assert.equal(site.waiting.size, 0);
  const left = operation.details?.timeout ?? 0;
  assert.ok(left > 0 && left <= 60_000);
});

test('it fails with what is in its way: a rejection, a refusal, the end of the client', async () => {
  const gone = new ServerError('gone');
  const rejected = parked(Promise.reject(gone));
  await assert.rejects(rejected.outcome, gone);
  const refused = parked(Promise.resolve());
  refused.site.refusal = gone;
  await assert.rejects(refused.outcome, gone);
  const ended = parked(new Promise(() => {}));
  for (const waiting of ended.site.waiting) waiting.giveUp(gone);
  await assert.rejects(ended.outcome, gone);
  for (const { site } of [rejected, refused, ended]) assert.equal(site.waiting.size, 0);
});

test('it fails at its deadline, with why it was not done', async () => {
  const cause = new ServerError('upsert: busy', { context: { status: 0x85, node: 'h:1' } });
  const { site, timers, outcome } = parked(new Promise(() => {}), { cause });
  timers.pass(60_000);
  await assert.rejects(outcome, (error) => {
    assert.ok(error instanceof TimeoutError);
    assert.equal(error.message, 'upsert: not done within its deadline: busy');
    assert.equal(error.cause, cause);
    assert.equal(error.ambiguous, false);
    assert.deepEqual(error.context, { status: 0x85, node: 'h:1', op: 'upsert', key: 'k', attempts: 0 });
    return true;
  });
  assert.equal(site.submitted.length, 0);
  assert.equal(site.waiting.size, 0);
});

test('its signal ends it, be it aborted before', async () => {
  const controller = new AbortController();
  const { outcome, site } = parked(new Promise(() => {}), { signal: controller.signal });
  controller.abort(new Error('no more'));
  await assert.rejects(outcome, /no more/);
  assert.equal(site.waiting.size, 0);
  const late = parked(Promise.resolve(), { signal: controller.signal });
  await assert.rejects(late.outcome, /no more/);
  assert.equal(late.site.submitted.length, 0);
  await assert.rejects(
    parked(Promise.reject(new Error('gone')), { signal: controller.signal }).outcome,
    /no more/,
  );
});

test('it keeps the process alive, also where it has to wait again', async () => {
  const { parking, site, operation } = parked(Promise.resolve());
  assert.equal(site.holds, 1);
  let end = (): void => {};
  const again = new Promise<void>((resolve) => {
    end = resolve;
  });
  site.submit = (each) => {
    site.submit = Site.prototype.submit;
    parking.park(each, { until: again, why: () => undefined });
  };
  await settled();
  assert.deepEqual([site.holds, parking.size], [1, 1]);
  end();
  await settled();
  assert.deepEqual([site.holds, parking.size, site.submitted], [0, 0, [operation]]);
});

test('one that is withdrawn is not handed in', async () => {
  const { parking, operation, site } = parked(Promise.resolve());
  parking.cancel(operation);
  parking.cancel(operation);
  await settled();
  assert.equal(site.submitted.length, 0);
  assert.equal(site.waiting.size, 0);
});
