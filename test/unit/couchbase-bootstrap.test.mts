import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bootstrap } from '../../lib/cluster/couchbase/bootstrap.ts';
import { Configurations } from '../../lib/cluster/couchbase/configurations.ts';
import { AuthenticationError, ConnectionError } from '../../lib/errors.ts';
import { ManualTimers } from './manual-timers.mts';

const NOBODY_LISTENS = Object.assign(new Error('connection failed: ECONNREFUSED'), { errno: -111 });

/** Each seed fails in its own way until the time is over. */
async function faultOf(faults: readonly Error[]): Promise<unknown> {
  const timers = new ManualTimers();
  const seeds = faults.map((_, number) => ({ host: `10.0.0.${number}`, port: 11210 }));
  const ask = (server: { host: string }) => Promise.reject(faults[Number(server.host.split('.').at(-1))]);
  const configurations = new Configurations({ bucket: 'shop', network: 'auto', isEncrypted: false });
  const { state } = new Bootstrap(seeds, configurations, ask, timers, 2000, 1000);
  const outcome = state.catch((error: unknown) => error);
  await new Promise((resolve) => setImmediate(resolve));
  timers.pass(2000);
  return outcome;
}

test('a login that one server refuses is the reason, whoever else is dead', async () => {
  const refusal = new AuthenticationError('the server refuses the credentials');
  for (const faults of [
    [NOBODY_LISTENS, refusal],
    [refusal, NOBODY_LISTENS],
  ]) {
    const fault = await faultOf(faults);
    assert.ok(fault instanceof AuthenticationError);
    assert.equal(fault.message, 'connect: the server refuses the credentials');
    assert.deepEqual((fault.cause as AggregateError).errors, faults);
  }
});

test('what a server says is told before what the network says', async () => {
  const fault = await faultOf([NOBODY_LISTENS, new Error('there is no bucket "shop"')]);
  assert.ok(fault instanceof ConnectionError);
  assert.equal(fault.message, 'connect: there is no bucket "shop"');
  const unreached = await faultOf([NOBODY_LISTENS, NOBODY_LISTENS]);
  assert.match((unreached as Error).message, /ECONNREFUSED/);
});
