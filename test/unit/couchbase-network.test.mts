import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkNetwork, chooseNetwork, serversIn } from '../../lib/cluster/couchbase/network.ts';
import { ConnectionError, InvalidArgumentError } from '../../lib/errors.ts';
import { parsed, terse } from './couchbase-configurations.mts';

describe('the network is', () => {
  const map = parsed();

  test('that of the address by which the first configuration was had', () => {
    assert.equal(chooseNetwork(map, 'auto', { host: '10.0.0.8', port: 11210 }), 'default');
    assert.equal(chooseNetwork(map, 'auto', { host: 'db2.example.net', port: 31210 }), 'external');
    assert.equal(chooseNetwork(map, 'auto', { host: 'DB2.Example.NET', port: 31210 }), 'external');
    assert.equal(chooseNetwork(map, 'auto', { host: 'db2.example.net', port: 7 }), 'external');
    assert.equal(chooseNetwork(map, 'auto', { host: 'unknown.example', port: 31210 }), 'default');
  });

  test('the other one for a node that does not tell its name, if only its port there is the one of the url', () => {
    const seed = { host: 'db1.example.net', port: 31211 };
    assert.equal(chooseNetwork(parsed({}, seed), 'auto', seed), 'external');
    const same = { host: 'db1.example.net', port: 11210 };
    assert.equal(chooseNetwork(parsed({}, same), 'auto', same), 'default');
  });

  test('the one that the user says', () => {
    const seed = { host: 'db2.example.net', port: 31210 };
    assert.equal(chooseNetwork(map, 'default', seed), 'default');
    assert.equal(chooseNetwork(map, 'external', { host: '10.0.0.8', port: 11210 }), 'external');
  });

  test('none that the cluster does not have', () => {
    assert.throws(
      () => chooseNetwork(map, 'vpn', { host: 'a', port: 1 }),
      (error) =>
        error instanceof InvalidArgumentError &&
        error.context.argument === 'network' &&
        error.message.includes('"default", "external"'),
    );
  });

  test('auto unless the user says otherwise', () => {
    assert.equal(checkNetwork(undefined), 'auto');
    assert.equal(checkNetwork('vpn'), 'vpn');
    for (const bad of ['', 7, null, {}, 'x'.repeat(129)])
      assert.throws(() => checkNetwork(bad), { context: { argument: 'network' } });
  });
});

describe('servers are reached', () => {
  test('at their addresses in the network, for TLS at the ports for that', () => {
    const map = parsed();
    assert.deepEqual(serversIn(map, 'default', false), [
      { host: '10.0.0.7', port: 11210 },
      { host: '10.0.0.8', port: 11210 },
    ]);
    assert.deepEqual(serversIn(map, 'external', true), [
      { host: 'db1.example.net', port: 31208 },
      { host: 'db2.example.net', port: 11207 },
    ]);
  });

  test('nowhere, where they do not listen for that', () => {
    const map = parsed({ 'nodesExt.1.services': { kv: 11210 } });
    assert.deepEqual(serversIn(map, 'default', true), [{ host: '10.0.0.7', port: 11207 }, undefined]);
  });

  test('at their own address, where they are not in the network', () => {
    const map = parsed({ 'nodesExt.1.alternateAddresses': undefined });
    assert.deepEqual(serversIn(map, 'external', false)[1], { host: '10.0.0.8', port: 11210 });
  });

  test('somewhere, or the configuration is of no use', () => {
    const map = parsed({ 'nodesExt.0.services': { kv: 1 }, 'nodesExt.1.services': { kv: 1 } });
    assert.throws(() => serversIn(map, 'default', true), /no server has a port for TLS/);
    assert.equal(serversIn(map, 'default', false).length, 2);
  });

  test('never two in one place', () => {
    const [{ alternateAddresses }] = terse().nodesExt as [{ alternateAddresses: object }];
    const map = parsed({ 'nodesExt.1.alternateAddresses': alternateAddresses });
    assert.throws(() => serversIn(map, 'external', false), ConnectionError);
    assert.equal(serversIn(map, 'default', false).length, 2);
  });
});
