import { strict as assert } from 'node:assert';
import { cp, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Consumer, packWithPrebuild } from './consumer.mts';

describe('tests of somebody who uses the packed package', () => {
  let tarball: string;
  let consumer: Consumer;

  before(async () => {
    tarball = await packWithPrebuild();
    consumer = await Consumer.create(tarball, 'jest@30', 'vitest@4');
    const files = {
      'scenario.cjs': ['scenario.cjs'],
      'jest.cjs': ['one.jest.cjs', 'two.jest.cjs'],
      'vitest.mjs': ['one.vitest.mjs', 'two.vitest.mjs'],
    };
    for (const [from, to] of Object.entries(files))
      for (const name of to)
        await cp(path.join(import.meta.dirname, 'runners', from), path.join(consumer.folder, name));
  });

  after(async () => {
    for (const folder of [consumer.folder, path.dirname(tarball)])
      await rm(folder, { recursive: true, force: true });
  });

  test('run in Jest', async () => {
    const jest = path.join('node_modules', 'jest', 'bin', 'jest.js');
    const { code, output } = await consumer.node([
      jest,
      '--ci',
      '--testTimeout=60000',
      '--testMatch',
      '**/*.jest.cjs',
    ]);
    assert.equal(code, 0, output);
    assert.match(output, /Tests: +2 passed, 2 total/);
    assert.doesNotMatch(output, /did not exit|failed to exit/);
  });

  for (const pool of ['threads', 'forks', 'vmThreads']) {
    test(`run in Vitest, pool ${pool}`, async () => {
      const vitest = path.join('node_modules', 'vitest', 'vitest.mjs');
      await consumer.write(
        'vitest.config.mjs',
        "export default { test: { include: ['*.vitest.mjs'], testTimeout: 60_000 } };",
      );
      const { code, output } = await consumer.node([vitest, 'run', `--pool=${pool}`], {
        NO_COLOR: '1',
        POOL: pool,
      });
      assert.equal(code, 0, output);
      assert.match(output, /Tests +2 passed \(2\)/);
    });
  }
});
