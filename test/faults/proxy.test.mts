import { after, describe, test } from 'node:test';
import { startMemcached } from '../conformance/memcached.mts';
import { skipWithout } from '../conformance/tool.mts';
import { assertNothingLeft, ways } from './harness.mts';
import { CLEAR, FaultProxy } from './proxy.mts';
import { Run, seeds, survive } from './run.mts';

after(assertNothingLeft);

for (const way of ways) {
  const skip = skipWithout('memcached', 'memcached');
  describe(`random operations on a real memcached behind a bad network, ${way.name}`, { skip }, () => {
    for (const seed of seeds(way.protocol === 'meta' ? 1 : 2)) {
      test(`settle once each, in time, with their own values (EVENKEEL_SEED=${seed})`, async () => {
        const run = new Run(seed);
        await using memcached = await startMemcached();
        await using proxy = await FaultProxy.start(memcached.port, run.random);
        proxy.weather = { ...CLEAR, delayed: 0.05, split: 0.05, cut: 0.01, reset: 0.01, lost: 0.005 };
        await survive(run, way, {
          url: proxy.url,
          async trouble() {
            if (run.below(15) === 0) proxy.disconnectAll();
          },
          async calm() {
            proxy.weather = CLEAR;
            proxy.disconnectAll();
          },
        });
      });
    }
  });
}
