import { strict as assert } from 'node:assert';
import { cp, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Consumer, cleanEnvironment, execute, packWithPrebuild, root, tools } from './consumer.mts';

/** What may be otherwise on another version of Node: threads, sockets, TLS, timers, stacks, buffers, what the addon asks of it. */
const CORE = [
  ...[
    'cluster-tls',
    'embedded-key-codec',
    'embedded-record-codec',
    'errors',
    'event-base-life',
    'event-base-timers',
    'event-base-watch',
    'notifier',
    'testing-server',
    'testing-tls',
    'text',
  ].map((name) => `test/unit/${name}.test.mts`),
  ...[
    'addon-loading',
    'async-context',
    'close',
    'deadlines',
    'embedded-plain',
    'embedded-records',
    'embedded-transactions',
    'events-durable',
    'events-feeds',
    'events-hooks',
    'failures',
    'fake-timers',
    'lifecycle-process',
    'lifecycle-workers',
    'records',
    'values',
  ].map((name) => `test/integration/${name}.test.mts`),
];

const RUNTIMES = [
  { name: 'Bun', module: 'bun@1', command: ['bun'] },
  { name: 'Deno', module: 'deno@2', command: ['deno', 'run', '--allow-all'] },
  { name: 'Node 22', module: 'node22@npm:node@22', command: ['node22/bin/node'], suite: CORE },
  { name: 'Node 24', module: 'node24@npm:node@24', command: ['node24/bin/node'], suite: CORE },
] as const;

describe('the packed package, where there is another runtime', () => {
  let tarball: string;
  let consumer: Consumer;
  let runtimes: string;

  before(async () => {
    tarball = await packWithPrebuild();
    consumer = await Consumer.create(tarball);
    await cp(
      path.join(import.meta.dirname, 'both-engines.mjs'),
      path.join(consumer.folder, 'both-engines.mjs'),
    );
    runtimes = await tools(...RUNTIMES.map(({ module }) => module));
  });

  after(async () => {
    for (const folder of [consumer.folder, path.dirname(tarball), runtimes])
      await rm(folder, { recursive: true, force: true });
  });

  for (const { name, command, ...runtime } of RUNTIMES) {
    const [program, ...options] = command;
    const executable = () =>
      path.join(runtimes, 'node_modules', program.includes('/') ? program : path.join('.bin', program));

    test(`${name} runs the core of both engines`, async () => {
      // Some faults of threads that end show in one run of several.
      for (let round = 0; round < 3; round += 1) {
        const environment = { ...consumer.environment, NO_COLOR: '1' };
        const { code, output } = await execute(
          executable(),
          [...options, 'both-engines.mjs'],
          consumer.folder,
          environment,
        );
        assert.equal(code, 0, output);
        assert.match(output, /^\d\d checks passed$/m);
      }
    });

    if (!('suite' in runtime)) continue;
    test(`${name} passes the core of the suite`, async () => {
      const args = [path.join('scripts', 'test.mjs'), ...runtime.suite, '--test-reporter=dot'];
      // Node 24 writes a report when a test of signals sends SIGUSR2.
      const environment = { ...cleanEnvironment(), NODE_OPTIONS: `--report-directory=${runtimes}` };
      const { code, output } = await execute(executable(), args, root, environment);
      assert.equal(code, 0, output);
    });
  }
});
