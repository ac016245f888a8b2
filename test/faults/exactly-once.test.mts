import { after, describe, test } from 'node:test';
import { type RequestAction, startServer, type TestServer } from '../../lib/testing/index.ts';
import { assertNothingLeft, type Way, ways } from './harness.mts';
import { Run, seeds, survive } from './run.mts';

after(assertNothingLeft);

const all: readonly RequestAction[] = [
  { kind: 'reset' },
  { kind: 'reset', when: 'after' },
  { kind: 'reset', when: { afterBytes: 17 } },
  { kind: 'close' },
  { kind: 'close', when: 'after' },
  { kind: 'drop' },
  { kind: 'hang', later: 'answer' },
  { kind: 'hang' },
  { kind: 'garbage', seed: 11 },
  { kind: 'delay', ms: 15 },
  { kind: 'delay', ms: 120, reorder: true },
  { kind: 'split', sizes: [5, 19, 1] },
  { kind: 'truncate', bytes: 20, end: 'silence' },
  { kind: 'truncate', bytes: 26, end: 'reset' },
  { kind: 'wrongOpaque' },
  { kind: 'header', fields: { opcode: 0x1f } },
  { kind: 'header', fields: { keyLength: 65_535 } },
  { kind: 'announce', bytes: 2 ** 32 - 1 },
  { kind: 'announce', bytes: 1_000_000 },
  { kind: 'unsolicited', position: 'before' },
  { kind: 'unsolicited', position: 'after' },
  { kind: 'status', status: 0x86 },
];

/** An error line of the text protocol does not name its request: behind an answer that never comes it is taken for that answer. */
const actionsIn = (protocol: Way['protocol']): readonly RequestAction[] =>
  protocol === 'meta' ? all.filter(({ kind }) => kind !== 'status') : all;

async function trouble(run: Run, server: TestServer, actions: readonly RequestAction[]): Promise<void> {
  const dice = run.below(12);
  if (dice < 4) {
    const action = actions[run.below(actions.length)] as RequestAction;
    const times = 1 + run.below(3);
    await server.fault({
      action,
      nth: 1 + run.below(10),
      times,
      opcode: ['get', 'set', 'add', 'increment'],
    });
  } else if (dice === 4) {
    await server.clearFaults();
  } else if (dice === 5) {
    await server.disconnectAll({ reset: run.below(2) === 0 });
  } else if (dice === 6) {
    await server.restart({ keepData: true, reset: run.below(2) === 0 });
  } else if (dice === 7) {
    await server.pause();
    setTimeout(() => void server.resume(), run.below(60));
  }
}

for (const way of ways) {
  describe(`random operations, faults, kills, aborts and closes on ${way.name}`, () => {
    for (const seed of seeds(way.protocol === 'meta' ? 2 : 4)) {
      test(`settle once each, in time, with their own values (EVENKEEL_SEED=${seed})`, async () => {
        const run = new Run(seed);
        await using server = await startServer({ maxBytes: 512 << 20 });
        await survive(run, way, {
          url: server.url,
          trouble: () => trouble(run, server, actionsIn(way.protocol)),
          async calm() {
            await server.clearFaults();
            await server.resume();
            await server.restart({ keepData: true });
          },
        });
      });
    }
  });
}
