import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { describe, test } from 'node:test';
import { isAlive, newLease } from '../../lib/events/lease.ts';
import { readClock } from '../clock.mts';

describe('the holder of a lease', () => {
  const host = hostname();
  const until = Date.now() + 60_000;

  test('is alive within its time while its process is there, or may be', () => {
    assert.equal(isAlive(newLease()), true);
    assert.equal(isAlive({ ...newLease(), until: Date.now() - 1 }), false);
    assert.equal(isAlive({ holder: 'h', pid: process.ppid, host, until }), true);
    assert.equal(isAlive({ holder: 'h', pid: 1, host: `not ${host}`, until }), true);
    const { pid } = spawnSync(process.execPath, ['--version']);
    assert.equal(isAlive({ holder: 'h', pid, host, until }), false);
  });

  test('is gone when this process has its number and is younger', (t) => {
    const lease = newLease();
    const startedAt = Date.now() - process.uptime() * 1000;
    assert.equal(isAlive(lease), true);
    // As it is soon after the start: the lease of the one before has not run out.
    const clock = readClock(() => startedAt + 500);
    t.after(() => clock.restore());
    t.mock.method(process, 'uptime', () => 0.5);
    assert.equal(isAlive({ ...lease, until: startedAt + 5000 }), false);
    assert.equal(isAlive(newLease()), true);
  });
});
