// What takes a process of its own, because its memory is measured or the database is to be new to it. Started by run.mts:
// `long.mts <which> <directory> <count>`; the figures go to stdout as JSON.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { anonymousBytes, peakBytes, resetPeak, residentBytes } from '../process-usage.mts';
import { middle } from '../results.mts';
import { openOurs } from './contenders.mts';
import { fillOurs, inFlight } from './load.mts';
import { reading, Told } from './records.mts';

const MIB = 1 << 20;
/** Enough for a journal of all that is written here. */
const KEPT = 2 ** 40;

/** ms from the call to the first and to the last of the events that wait since the beginning. */
async function resume(directory: string, events: number) {
  {
    await using db = await openOurs(directory, KEPT);
    await fillOurs(db, events);
  }
  await using db = await openOurs(directory, KEPT);
  const start = performance.now();
  let first = 0;
  let left = events;
  for await (const event of db.events.feed(Told, { from: 'beginning' })) {
    if (first === 0) first = performance.now() - start;
    left -= event.kind === 'new' ? 1 : 0;
    if (left === 0) break;
  }
  return { first, last: performance.now() - start };
}

/** MiB in the thirds of the time in which events pass a consumer that is slower than the writer. */
async function slowConsumer(directory: string, events: number) {
  await using db = await openOurs(directory, KEPT);
  const resident: number[] = [];
  const own: number[] = [];
  let seen = 0;
  let most = 0;
  let written = 0;
  const handler = async (): Promise<void> => {
    seen += 1;
    if (seen % 64 === 0) await delay(1);
    if (seen % 4096 !== 0) return;
    most = Math.max(most, written - seen);
    resident.push(residentBytes() / MIB);
    own.push((anonymousBytes() ?? 0) / MIB);
  };
  const subscription = await db.events.on(Told, ['new', 'update'], handler, { overflow: 'spill' });
  await inFlight(events / 1000, 4, async (batch) => {
    await db.transaction(async (tx) => {
      const records = tx.records(Told);
      for (let i = batch * 1000; i < (batch + 1) * 1000; i += 1)
        await records.upsert({ ...reading(i % 50_000), celsius: i });
    });
    written += 1000;
  });
  await subscription.caughtUp();
  await subscription.close();
  const third = Math.floor(resident.length / 3);
  const thirds = (all: readonly number[]) => ({
    early: middle(all.slice(0, third)),
    late: middle(all.slice(-third)),
  });
  return { resident: thirds(resident), own: thirds(own), mostWaiting: most };
}

/** ms and, at their peak, MiB that it takes to remove all records. */
async function deleteAll(directory: string, count: number, isFollowed: boolean) {
  await using db = await openOurs(directory);
  await fillOurs(db, count);
  let told = 0;
  const handler = (): void => {
    told += 1;
  };
  const subscription = isFollowed ? await db.events.on(Told, ['deleteAll'], handler) : undefined;
  await delay(500);
  global.gc?.();
  resetPeak();
  const before = residentBytes();
  const start = performance.now();
  const removed = await db.records(Told).deleteAll();
  await subscription?.caughtUp();
  const took = performance.now() - start;
  if (removed !== count || told !== Number(isFollowed))
    throw new Error(`${removed} removed, told ${told} times`);
  return { took, grew: Math.max(0, peakBytes() - before) / MIB };
}

/** ms from the end of a commit to the handler of another process, at the median. */
async function wakeUp(directory: string, commits: number) {
  await using db = await openOurs(directory);
  const reader = fork(new URL('reader.mts', import.meta.url), [directory]);
  const told = async (): Promise<number> => (await once(reader, 'message'))[0];
  await told();
  const latencies: number[] = [];
  for (let i = 0; i < commits; i += 1) {
    const at = told();
    await db.records(Told).insert(reading(i));
    const committed = performance.timeOrigin + performance.now();
    latencies.push((await at) - committed);
  }
  reader.disconnect();
  await once(reader, 'exit');
  return { median: middle(latencies) };
}

const parts = {
  resume,
  wakeUp,
  slowConsumer,
  deleteAll: (directory: string, count: number) => deleteAll(directory, count, false),
  deleteAllFollowed: (directory: string, count: number) => deleteAll(directory, count, true),
};
export type Long = { readonly [Part in keyof typeof parts]: Awaited<ReturnType<(typeof parts)[Part]>> };

const [which, directory, count] = process.argv.slice(2);
if (which === undefined || directory === undefined || !Object.hasOwn(parts, which))
  throw new Error('started by run.mts');
console.log(JSON.stringify(await parts[which as keyof Long](directory, Number(count))));
