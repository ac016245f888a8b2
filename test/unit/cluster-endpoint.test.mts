import assert from 'node:assert/strict';
import dns from 'node:dns/promises';
import { afterEach, mock, test } from 'node:test';
import { Endpoint } from '../../lib/cluster/endpoint.ts';

type Answer = { address: string; family: number }[];

function resolverAnswers(answer: () => Promise<Answer>): { calls: () => number } {
  const lookup = mock.method(dns, 'lookup', answer as unknown as typeof dns.lookup);
  return { calls: () => lookup.mock.callCount() };
}

afterEach(() => mock.restoreAll());

test('a numeric address or a path needs no resolver', async () => {
  const { calls } = resolverAnswers(() => Promise.reject(new Error('asked')));
  for (const [server, addresses] of [
    [{ host: '127.0.0.1', port: 1 }, [['127.0.0.1', 1]]],
    [{ host: '::1', port: 2 }, [['::1', 2]]],
    [{ path: '/run/s' }, [['/run/s']]],
  ] as const) {
    const endpoint = new Endpoint(server);
    assert.equal(endpoint.isFixed, true);
    assert.deepEqual(endpoint.addresses, addresses);
    assert.deepEqual(await endpoint.resolve(), addresses);
  }
  assert.equal(calls(), 0);
});

test('a name stands for every address the resolver gives, in its order', async () => {
  resolverAnswers(async () => [
    { address: '::1', family: 6 },
    { address: '127.0.0.1', family: 4 },
  ]);
  const endpoint = new Endpoint({ host: 'both.example', port: 7 });
  assert.equal(endpoint.isFixed, false);
  assert.equal(endpoint.addresses, undefined);
  await endpoint.resolve();
  assert.deepEqual(endpoint.addresses, [
    ['::1', 7],
    ['127.0.0.1', 7],
  ]);
});

test('those who ask at the same time share one question, and the next one asks anew', async () => {
  const { calls } = resolverAnswers(async () => [{ address: '127.0.0.1', family: 4 }]);
  const endpoint = new Endpoint({ host: 'name.example', port: 7 });
  await Promise.all([endpoint.resolve(), endpoint.resolve()]);
  assert.equal(calls(), 1);
  await endpoint.resolve();
  assert.equal(calls(), 2);
});

test('when the resolver fails the old addresses stay, and the next question may succeed', async () => {
  const endpoint = new Endpoint({ host: 'name.example', port: 7 });
  resolverAnswers(async () => [{ address: '127.0.0.1', family: 4 }]);
  await endpoint.resolve();
  mock.restoreAll();
  const failure = Object.assign(new Error('no'), { code: 'EAI_AGAIN' });
  resolverAnswers(() => Promise.reject(failure));
  await assert.rejects(endpoint.resolve(), failure);
  assert.deepEqual(endpoint.addresses, [['127.0.0.1', 7]]);
  mock.restoreAll();
  resolverAnswers(async () => [{ address: '127.0.0.2', family: 4 }]);
  await endpoint.resolve();
  assert.deepEqual(endpoint.addresses, [['127.0.0.2', 7]]);
});
