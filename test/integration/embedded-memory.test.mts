import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { long } from '../effort.mts';
import { inProcess } from '../faults/elsewhere.mts';
import { Directory } from './embedded.mts';

const CYCLES = long ? 2000 : 120;
/** KiB. Before, the stores of a closed database took 23. */
const HEAP_A_CYCLE = 4;
const RSS_A_CYCLE = 20;

describe('a process that opens and closes databases', () => {
  for (const kind of ['temporary databases', 'new directories'])
    test(`does not grow: ${kind}`, { timeout: 600_000 }, async () => {
      await using directory = await Directory.make();
      const ended = await inProcess(
        async ({ evenkeel, say }, { parent, cycles }) => {
          const { rmSync } = require('node:fs') as typeof import('node:fs');
          const { setFlagsFromString } = require('node:v8') as typeof import('node:v8');
          const { runInNewContext } = require('node:vm') as typeof import('node:vm');
          setFlagsFromString('--expose-gc');
          const gc: () => void = runInNewContext('gc');
          const Item = evenkeel.defineClass('Item', {
            key: 'id',
            fields: { id: evenkeel.field.uint32(), text: evenkeel.field.string() },
            indexes: { byText: evenkeel.index('text') },
          });
          const turn = () => new Promise((resolve) => setImmediate(resolve));
          let made = 0;
          const run = async (count: number) => {
            for (let i = 0; i < count; i += 1) {
              const path = parent && `${parent}/${++made}`;
              const url = (path ? `embedded://${path}` : 'embedded:') as 'embedded:';
              const db = await evenkeel.connect(url, { classes: [Item] });
              await db.records(Item).insert({ id: 1, text: 'text' });
              await db.close();
              if (path) rmSync(path, { recursive: true });
            }
            for (let i = 0; i < 5; i += 1) {
              gc();
              await turn();
            }
            return process.memoryUsage();
          };
          await run(cycles / 3);
          const before = await run(cycles / 3);
          const after = await run(cycles / 3);
          const grown = (a: number, b: number) => Math.round(((b - a) / 1024 / cycles) * 3);
          say(String(grown(before.heapUsed, after.heapUsed)));
          say(String(grown(before.rss, after.rss)));
        },
        { parent: kind === 'new directories' ? directory.path : '', cycles: CYCLES },
        ':',
        600_000,
      );
      assert.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.stderr);
      const [heap, rss] = ended.lines.map(Number);
      assert.ok(Number(heap) < HEAP_A_CYCLE, `${heap} KiB of the heap for each`);
      // What the allocator keeps is no leak, and a few cycles do not show the difference.
      if (long) assert.ok(Number(rss) < RSS_A_CYCLE, `${rss} KiB of memory for each`);
    });
});
