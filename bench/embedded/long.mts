import { openOurs } from './contenders.mts';
import { reading, Told } from './records.mts';
import { insertTold } from './scenarios.mts';

const MIB = 1 << 20;

/** ms from the call to the first and to the last of the events that wait since the beginning. */
export async function resume(directory: string, events: number): Promise<{ first: number; last: number }> {
  const db = await openOurs(directory);
  const from = db.events.position;
  for (let at = 0; at < events; at += 1000) await insertTold(db, at);
  const start = performance.now();
  let first = 0;
  let left = events;
  for await (const event of db.events.feed(Told, { from })) {
    if (first === 0) first = performance.now() - start;
    left -= event.kind === 'new' ? 1 : 0;
    if (left === 0) break;
  }
  const last = performance.now() - start;
  await db.close();
  return { first, last };
}

/** MiB held in the first and in the last third while events pass a consumer that is slower than the writer. */
export async function slowConsumer(
  directory: string,
  events: number,
): Promise<{ early: number; late: number }> {
  const db = await openOurs(directory);
  const samples: number[] = [];
  let seen = 0;
  const subscription = await db.events.on(Told, ['new', 'update'], async () => {
    seen += 1;
    if (seen % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (seen % 4096 === 0) {
      global.gc?.();
      samples.push(process.memoryUsage().rss / MIB);
    }
  });
  for (let at = 0; at < events; at += 1000) {
    const from = at % 50_000;
    await db.transaction((tx) => {
      const records = tx.records(Told);
      return Promise.all(
        Array.from({ length: 1000 }, (_each, i) => records.upsert({ ...reading(from + i), celsius: at })),
      );
    });
  }
  await subscription.caughtUp();
  await subscription.close();
  await db.close();
  const third = Math.floor(samples.length / 3);
  return { early: middle(samples.slice(0, third)), late: middle(samples.slice(-third)) };
}

/** ms and MiB that it takes to remove all records, with and without somebody who is told. */
export async function deleteAll(
  directory: string,
  records: number,
): Promise<{ alone: number; followed: number; grew: number }> {
  const db = await openOurs(directory);
  const once = async (): Promise<{ took: number; grew: number }> => {
    for (let at = 0; at < records; at += 1000) await insertTold(db, at);
    global.gc?.();
    const before = process.memoryUsage().rss;
    const start = performance.now();
    await db.records(Told).deleteAll();
    return { took: performance.now() - start, grew: (process.memoryUsage().rss - before) / MIB };
  };
  const alone = await once();
  const subscription = await db.events.on(Told, ['deleteAll', 'delete'], () => {});
  const followed = await once();
  await subscription.caughtUp();
  await db.close();
  return { alone: alone.took, followed: followed.took, grew: followed.grew };
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
