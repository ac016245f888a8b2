import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CircuitBreaker, resolveCircuitBreaker } from '../../lib/cluster/couchbase/circuit-breaker.ts';
import { InvalidArgumentError } from '../../lib/errors.ts';

class Server {
  now = 1e6;
  readonly breaker = new CircuitBreaker(
    { volumeThreshold: 10, errorThreshold: 50, sleepWindow: 1000, rollingWindow: 10_000 },
    () => this.now,
  );

  /** Operations that are sent and end so, one after the other; how many were sent. */
  send(count: number, isFailure: boolean): number {
    let sent = 0;
    for (let each = 0; each < count; each += 1) {
      const entry = this.breaker.enter();
      if (entry === undefined) continue;
      sent += 1;
      this.breaker.report(entry, isFailure);
    }
    return sent;
  }
}

describe('a circuit', () => {
  test('opens when half of enough operations have failed', () => {
    const server = new Server();
    server.send(5, false);
    server.send(4, true);
    assert.equal(server.breaker.state, 'closed');
    server.send(1, true);
    assert.equal(server.breaker.state, 'open');
    assert.equal(server.send(100, true), 0);
  });

  test('stays closed for few operations, and for fewer failures', () => {
    const few = new Server();
    few.send(9, true);
    assert.equal(few.breaker.state, 'closed');
    const good = new Server();
    for (let each = 0; each < 100; each += 1) {
      good.send(3, false);
      good.send(2, true);
    }
    assert.equal(good.breaker.state, 'closed');
  });

  test('forgets what happened before its window', () => {
    const server = new Server();
    server.send(9, true);
    server.now += 11_000;
    server.send(9, true);
    assert.equal(server.breaker.state, 'closed');
    server.now += 5000;
    server.send(1, true);
    assert.equal(server.breaker.state, 'open');
  });

  test('lets one operation try when it has slept, and the others when that one has succeeded', () => {
    const server = new Server();
    server.send(10, true);
    server.now += 999;
    assert.equal(server.breaker.enter(), undefined);
    server.now += 1;
    const canary = server.breaker.enter();
    assert.ok(canary !== undefined);
    assert.equal(server.breaker.state, 'half-open');
    assert.equal(server.breaker.enter(), undefined);
    server.breaker.report(canary, false);
    assert.equal(server.breaker.state, 'closed');
    assert.equal(server.send(9, true), 9);
    assert.equal(server.breaker.state, 'closed', 'nothing counts that was before');
  });

  test('sleeps again when that one has failed', () => {
    const server = new Server();
    server.send(10, true);
    server.now += 1000;
    server.send(1, true);
    assert.equal(server.breaker.state, 'open');
    server.now += 999;
    assert.equal(server.send(1, true), 0);
    server.now += 1;
    assert.equal(server.send(1, false), 1);
    assert.equal(server.breaker.state, 'closed');
  });

  test('tries with another one when nobody tells of the first', () => {
    const server = new Server();
    server.send(10, true);
    server.now += 1000;
    const lost = server.breaker.enter();
    server.now += 1000;
    const second = server.breaker.enter();
    assert.ok(lost !== undefined && second !== undefined && lost !== second);
    server.breaker.report(lost, false);
    assert.equal(server.breaker.state, 'half-open', 'the first one says nothing any more');
    server.breaker.report(second, false);
    assert.equal(server.breaker.state, 'closed');
  });

  test('does not mind operations that were under way when it opened', () => {
    const server = new Server();
    const entries = Array.from({ length: 30 }, () => server.breaker.enter() ?? -1);
    for (const entry of entries.slice(0, 10)) server.breaker.report(entry, true);
    assert.equal(server.breaker.state, 'open');
    for (const entry of entries.slice(10)) server.breaker.report(entry, false);
    assert.equal(server.breaker.state, 'open');
  });

  test('opens by failures only, and until it closes lets one through in each time that it sleeps', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('enter', 'fail', 'succeed'), fc.nat(20_000)), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const server = new Server();
        const under: number[] = [];
        let changed = 0;
        for (const [what, ms] of all) {
          const before = server.breaker.state;
          let isNew = false;
          server.now += ms / 10;
          if (what === 'enter') {
            const entry = server.breaker.enter();
            isNew = entry !== undefined;
            if (entry !== undefined) under.push(entry);
            if (before === 'closed') assert.ok(entry !== undefined);
            else if (entry !== undefined) assert.ok(server.now - changed >= 1000);
          } else {
            const entry = under.shift();
            if (entry !== undefined) server.breaker.report(entry, what === 'fail');
          }
          if (before === 'closed' && server.breaker.state !== 'closed') assert.equal(what, 'fail');
          if (server.breaker.state !== before || (what === 'enter' && before === 'half-open' && isNew))
            changed = server.now;
        }
      }),
    );
  });
});

describe('the option', () => {
  test('is off, on with defaults, or says when', () => {
    assert.equal(resolveCircuitBreaker(undefined), undefined);
    assert.equal(resolveCircuitBreaker(false), undefined);
    const usual = { volumeThreshold: 20, errorThreshold: 50, sleepWindow: 5000, rollingWindow: 60_000 };
    assert.deepEqual(resolveCircuitBreaker(true), usual);
    assert.deepEqual(resolveCircuitBreaker({ sleepWindow: 7 }), { ...usual, sleepWindow: 7 });
  });

  const bad: unknown[] = [
    1,
    'on',
    null,
    [],
    { volumeThreshold: 0 },
    { volumeThreshold: 1.5 },
    { errorThreshold: 0 },
    { errorThreshold: 101 },
    { errorThreshold: '50' },
    { sleepWindow: 0 },
    { rollingWindow: Number.NaN },
    { sleepwindow: 7 },
  ];
  for (const given of bad)
    test(`is not ${JSON.stringify(given)}`, () => {
      assert.throws(
        () => resolveCircuitBreaker(given as boolean),
        (error) =>
          error instanceof InvalidArgumentError && /^circuitBreaker/.test(error.context.argument ?? ''),
      );
    });
});
