import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fleet } from '../../lib/cluster/fleet.ts';

const A = 'a:11211';
const [one, other] = [{ base: 1 }, { base: 2 }];
const well = { isConnected: true, failures: 0 };
const failed = (failures: number) => ({ isConnected: false, failures });

function fleetOf(deadServer: 'fail' | 'eject' = 'eject') {
  const servers = ['a', 'b'].map((host) => ({ host, port: 11211 }));
  const fleet = new Fleet(servers, { placement: 'ketama', deadServer, ejectAfter: 2 });
  let maps = 0;
  fleet.listen(() => (maps += 1));
  return {
    fleet,
    hasKeys: () => fleet.map.placed.some(({ name }) => name === A),
    maps: () => maps,
  };
}

test('a server loses its keys after so many failures in a row, and has them back with a connection', () => {
  const { fleet, hasKeys, maps } = fleetOf();
  fleet.sees(one, A, failed(1));
  assert.ok(hasKeys());
  fleet.sees(one, A, failed(2));
  assert.ok(!hasKeys());
  fleet.sees(one, A, failed(3));
  fleet.sees(one, A, well);
  assert.ok(hasKeys());
  assert.equal(maps(), 2);
});

test('a server keeps its keys while one event base has a connection to it', () => {
  const { fleet, hasKeys, maps } = fleetOf();
  fleet.sees(one, A, well);
  for (let failures = 1; failures < 10; failures += 1) {
    fleet.sees(other, A, failed(failures));
    fleet.sees(one, A, well);
  }
  assert.ok(hasKeys());
  assert.equal(maps(), 0);
  fleet.sees(one, A, failed(0)); // its connection has ended
  assert.ok(!hasKeys());
  fleet.sees(other, A, failed(10));
  assert.ok(!hasKeys());
  fleet.sees(one, A, well);
  assert.ok(hasKeys());
  assert.equal(maps(), 2);
});

test('what an event base saw that is gone does not count', () => {
  const { fleet, hasKeys } = fleetOf();
  fleet.sees(one, A, well);
  fleet.sees(other, A, failed(5));
  fleet.forget(one);
  assert.ok(!hasKeys());
  fleet.forget(other);
  assert.ok(!hasKeys());
  fleet.sees({}, A, well);
  assert.ok(hasKeys());
});

test('a server that is taken out and comes back is judged anew, and a stranger not at all', () => {
  const { fleet, hasKeys } = fleetOf();
  fleet.sees(one, A, failed(2));
  fleet.set([{ host: 'b', port: 11211 }]);
  fleet.sees(one, A, failed(3));
  fleet.set(['a', 'b'].map((host) => ({ host, port: 11211 })));
  assert.ok(hasKeys());
  fleet.sees(one, A, failed(1));
  assert.ok(hasKeys());
});

test("with deadServer 'fail' nothing takes the keys of a server", () => {
  const { fleet, hasKeys } = fleetOf('fail');
  fleet.sees(one, A, failed(100));
  assert.ok(hasKeys());
});
