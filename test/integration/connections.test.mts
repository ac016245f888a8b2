import { test } from 'node:test';
import { startServer } from '../../lib/testing/index.ts';
import { onBothBases, until } from './harness.mts';

onBothBases('several connections to one server', (bases) => {
  // The pause would be of minutes if each of them counted.
  test('that end together are one failure', async () => {
    await using server = await startServer();
    const db = await bases.connect(server.url, {
      connectionsPerNode: 32,
      backoff: { min: 1, max: 600_000 },
    });
    for (let round = 0; round < 4; round += 1) {
      await until(async () => (await server.connections()) === 32);
      await server.disconnectAll();
    }
    await until(async () => (await server.connections()) === 32);
    await db.close();
  });
});
