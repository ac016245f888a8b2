import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parking, type ParkingSite } from '../../lib/engines/network/parking.ts';
import { ServerError, TimeoutError } from '../../lib/errors.ts';
import * as layout from '../../lib/native/layout.ts';
import type { Waiting } from '../../lib/transactions/compound.ts';
import { documentDetails } from '../../lib/transactions/documents.ts';
import { type Course, details, Kind, Operation } from '../../lib/transactions/operation.ts';
import { ManualTimers } from './manual-timers.mts';

class Site implements ParkingSite {
  readonly submitted: Operation[] = [];
  readonly held: Operation[] = [];
  readonly waiting = new Set<Waiting>();
  /** How often it keeps the process alive. */
  holds = 0;
  aside = 0;
  room = Number.POSITIVE_INFINITY;
  refusal: Error | undefined;

  submit(operation: Operation): void {
    if (this.refusal !== undefined) throw this.refusal;
    this.submitted.push(operation);
  }

  keepAlive(doesSo: boolean): void {
    this.holds += doesSo ? 1 : -1;
  }

  setAside(operation: Operation, isAccepted: boolean): number {
    if (!isAccepted && this.aside >= this.room) return layout.REFUSED_BACKPRESSURE;
    this.aside += operation.key.length;
    return operation.key.length;
  }

  giveBack(bytes: number): void {
    this.aside -= bytes;
  }

  wait(waiting: Waiting): void {
    this.waiting.add(waiting);
  }

  stopWaiting(waiting: Waiting): void {
    this.waiting.delete(waiting);
  }

  resume<R>(start: () => R, isHeld: boolean): R {
    const before = this.submitted.length;
    const result = start();
    if (isHeld) this.held.push(...this.submitted.slice(before));
    return result;
  }
}

const courseOf = (order: number, timeout = 60_000): Course => ({
  order,
  deadline: performance.now() + timeout,
  collection: 0,
  isAccepted: false,
  batch: [],
  retries: 0,
  failedAt: undefined,
});

function parked(
  until: Promise<unknown>,
  { signal, cause }: { signal?: AbortSignal; cause?: ServerError } = {},
) {
  const site = new Site();
  const timers = new ManualTimers();
  const parking = new Parking(site, timers);
  const operation = new Operation(Kind.upsert, 'k', 'v', { ...details(), signal }, undefined);
  operation.course = courseOf(1);
  const outcome = operation.promise();
  outcome.catch(() => {});
  parking.park(operation, { until, why: () => cause, mayBePassed: false });
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
    parking.park(each, { until: again, why: () => undefined, mayBePassed: false });
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

/** A promise and what resolves it. */
function gate(): { readonly until: Promise<void>; open(): Promise<void> } {
  let resolve = (): void => {};
  const until = new Promise<void>((done) => {
    resolve = done;
  });
  return {
    until,
    open: () => {
      resolve();
      return settled();
    },
  };
}

/** A parking lot whose operations are numbered by their calls. */
class Yard {
  readonly site = new Site();
  readonly timers = new ManualTimers();
  readonly parking = new Parking(this.site, this.timers);
  #calls = 0;

  operation(key: string, changes: Partial<Operation> = {}, timeout?: number): Operation {
    const operation = new Operation(Kind.upsert, key, 'v', undefined, undefined);
    operation.course = courseOf(++this.#calls, timeout);
    operation.promise().catch(() => {});
    return Object.assign(operation, changes);
  }

  park(operation: Operation, until: Promise<unknown> = Promise.resolve(), mayBePassed = false): void {
    const why = (): Error => new Error(`wait of ${operation.course?.order}`);
    this.parking.park(operation, { until, why, mayBePassed });
  }

  get submitted(): (number | undefined)[] {
    return this.site.submitted.map(({ course }) => course?.order);
  }
}

test('operations of a key leave in the order of their calls, those of other keys do not wait for them', async () => {
  const yard = new Yard();
  const [first, second, third] = [yard.operation('k'), yard.operation('k'), yard.operation('k')];
  const other = yard.operation('x');
  const [one, two] = [gate(), gate()];
  yard.park(first, one.until);
  assert.equal(yard.parking.holdsBack(third), true);
  assert.equal(yard.parking.holdsBack(other), false);
  yard.park(third);
  yard.park(other);
  // The server has refused it later than the third was called.
  yard.park(second, two.until);
  await settled();
  assert.deepEqual(yard.submitted, [4]);
  await two.open();
  assert.deepEqual(yard.submitted, [4]);
  await one.open();
  assert.deepEqual(yard.submitted, [4, 1, 2, 3]);
  assert.equal(yard.site.holds, 0);
});

test('the same key of another collection, of another copy or as an argument is another key', () => {
  const yard = new Yard();
  yard.park(yard.operation('k'), new Promise(() => {}));
  const isHeldBack = (changes: Partial<Operation>): boolean =>
    yard.parking.holdsBack(yard.operation('k', changes));
  assert.equal(isHeldBack({ collection: { scope: 's', name: 'c' } }), false);
  assert.equal(
    isHeldBack({ details: { ...details(), document: { ...documentDetails(), replica: 1 } } }),
    false,
  );
  assert.equal(isHeldBack({ details: { ...details(), server: 'h:1' } }), false);
  assert.equal(isHeldBack({}), true);
});

test('one that has to wait again stays before the others of its key', async () => {
  const yard = new Yard();
  const again = gate();
  yard.park(yard.operation('k'));
  yard.park(yard.operation('k'));
  yard.site.submit = (operation) => {
    yard.site.submit = Site.prototype.submit;
    yard.park(operation, again.until);
  };
  await settled();
  assert.deepEqual(yard.submitted, []);
  await again.open();
  assert.deepEqual(yard.submitted, [1, 2]);
});

test('one that another operation of its key may help lets the others pass', async () => {
  const yard = new Yard();
  const locked = gate();
  yard.park(yard.operation('k'), locked.until, true);
  const unlock = yard.operation('k');
  assert.equal(yard.parking.holdsBack(unlock), false);
  yard.park(unlock);
  await settled();
  assert.deepEqual(yard.submitted, [2]);
  await locked.open();
  assert.deepEqual(yard.submitted, [2, 1]);
});

test('one that ends gives way to those behind it; one whose time is over is not sent any more', async () => {
  const yard = new Yard();
  const [first, second, third] = [yard.operation('k'), yard.operation('k', {}, 0), yard.operation('k')];
  const outcome = second.promise();
  yard.park(first, new Promise(() => {}));
  yard.park(second);
  yard.park(third);
  await settled();
  yard.parking.cancel(first);
  await assert.rejects(outcome, TimeoutError);
  assert.deepEqual(yard.submitted, [3]);
});

test('the error of one that only waits for others tells what those wait for', async () => {
  const yard = new Yard();
  yard.park(yard.operation('k', {}, 120_000), new Promise(() => {}));
  const second = yard.operation('k');
  const outcome = second.promise();
  yard.parking.park(second, { until: Promise.resolve(), why: () => undefined, mayBePassed: false });
  yard.timers.pass(60_000);
  await assert.rejects(outcome, /upsert: not done within its deadline: wait of 1/);
});

test('one that waits for a flush() besides is not sent without it', async () => {
  const yard = new Yard();
  const [early, late] = [gate(), gate()];
  const park = (operation: Operation, until: Promise<void>): number =>
    yard.parking.park(operation, { until, why: () => undefined, mayBePassed: false }, true);
  const [first, second] = [yard.operation('a'), yard.operation('b')];
  park(first, early.until);
  park(second, late.until);
  await early.open();
  yard.parking.flushed();
  await late.open();
  assert.deepEqual([yard.submitted, yard.site.held], [[1, 2], [first]]);
});

test('each counts in the limits until it leaves; one that was accepted once is accepted again', async () => {
  const yard = new Yard();
  yard.site.room = 2;
  const wait = (until: Promise<unknown>) => ({ until, why: () => undefined, mayBePassed: false });
  const [first, second] = [gate(), gate()];
  const operation = yard.operation('a');
  assert.equal(yard.parking.park(operation, wait(first.until)), 0);
  assert.equal(yard.parking.park(yard.operation('bc'), wait(new Promise(() => {}))), 0);
  assert.equal(yard.parking.park(yard.operation('d'), wait(first.until)), layout.REFUSED_BACKPRESSURE);
  const sent = yard.operation('e', { attempts: 1 });
  assert.equal(yard.parking.park(sent, wait(new Promise(() => {}))), 0);
  yard.site.submit = (each) => {
    assert.equal(yard.parking.park(each, wait(second.until)), 0);
  };
  await first.open();
  assert.equal(yard.site.aside, 4);
  for (const waiting of [...yard.site.waiting]) waiting.giveUp(new Error('over'));
  assert.equal(yard.site.aside, 0);
});

test('twenty thousand operations of one key leave at once', async () => {
  const yard = new Yard();
  const first = gate();
  yard.park(yard.operation('k'), first.until);
  for (let i = 0; i < 20_000; i += 1) yard.park(yard.operation('k'));
  await first.open();
  assert.equal(yard.site.submitted.length, 20_001);
});
