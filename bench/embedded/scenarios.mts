import { levelKey, type Ours, openBare, openLevel, openOurs, openSqlite, typed } from './contenders.mts';
import { Indexed, type Reading, reading, SENSORS, Silent, Told } from './records.mts';

/** Operations a second of each contender in one round, by its name. */
export type Rates = Record<string, number>;
type Run = (directory: string, scale: number) => Promise<number>;

/** Operations a second of the work. */
async function rate(operations: number, work: () => Promise<unknown> | unknown): Promise<number> {
  global.gc?.();
  const start = performance.now();
  await work();
  return (operations * 1000) / (performance.now() - start);
}

/** Keeps `depth` operations under way until `count` have ended. */
async function inFlight(count: number, depth: number, one: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: depth }, worker));
}

const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_each, i) => from + i);

async function fillOurs(
  db: Ours,
  of: typeof Told | typeof Silent | typeof Indexed,
  count: number,
): Promise<void> {
  for (let from = 0; from < count; from += 1000)
    await db.transaction((tx) => {
      const records = tx.records<typeof Told | typeof Silent | typeof Indexed>(of);
      return Promise.all(range(Math.min(1000, count - from), from).map((id) => records.insert(reading(id))));
    });
}

const batches: (of: typeof Told | typeof Silent) => Run = (of) => async (directory, scale) => {
  const count = 200 * scale;
  const db = await openOurs(directory);
  const result = await rate(count * 100, async () => {
    for (let b = 0; b < count; b += 1)
      await db.transaction((tx) => {
        const records = tx.records<typeof Told | typeof Silent>(of);
        return Promise.all(range(100, b * 100).map((id) => records.insert(reading(id))));
      });
  });
  await db.close();
  return result;
};

const bareBatches =
  (durable: boolean): Run =>
  async (directory, scale) => {
    const count = 200 * scale;
    const db = openBare(directory, durable);
    const result = await rate(count * 100, async () => {
      for (let b = 0; b < count; b += 1)
        await db.transaction(() => {
          for (const id of range(100, b * 100)) db.put(id, reading(id));
        });
    });
    await db.close();
    return result;
  };

/** Batches of a class without events, while somebody follows another class, or nobody. */
const neighbours =
  (followed: boolean): Run =>
  async (directory, scale) => {
    const db = await openOurs(directory);
    const subscription = followed ? await db.events.on(Told, ['new'], () => {}) : undefined;
    const count = 20_000 * scale;
    const result = await rate(count, async () => {
      for (let from = 0; from < count; from += 100)
        await db.transaction((tx) =>
          Promise.all(range(100, from).map((id) => tx.records(Silent).insert(reading(id)))),
        );
    });
    await subscription?.close();
    await db.close();
    return result;
  };

async function journalled(directory: string, count: number): Promise<Ours> {
  const db = await openOurs(directory);
  for (let from = 0; from < count; from += 1000) await insertTold(db, from);
  return db;
}

const EVENTS = 200_000;

export const scenarios: Record<string, Record<string, Run>> = {
  'get, warm': {
    async ours(directory, scale) {
      const db = await openOurs(directory);
      await fillOurs(db, Told, 20_000);
      const records = db.records(Told);
      const count = 300_000 * scale;
      let sum = 0;
      const result = await rate(count, async () => {
        for (let i = 0; i < count; i += 1) sum += (await records.get(i % 20_000))?.at.getTime() ?? 0;
      });
      await db.close();
      return sum > 0 ? result : 0;
    },
    async lmdb(directory, scale) {
      const db = openBare(directory, false);
      await db.transaction(() => range(20_000).forEach((id) => void db.put(id, reading(id))));
      const count = 300_000 * scale;
      let sum = 0;
      const result = await rate(count, () => {
        for (let i = 0; i < count; i += 1) sum += db.get(i % 20_000)?.at.getTime() ?? 0;
      });
      await db.close();
      return sum > 0 ? result : 0;
    },
    async sqlite(directory, scale) {
      const sqlite = openSqlite(directory, false);
      sqlite.transaction(() => range(20_000).forEach((id) => void sqlite.insert(reading(id))));
      const count = 100_000 * scale;
      let sum = 0;
      const result = await rate(count, () => {
        for (let i = 0; i < count; i += 1) {
          const row = sqlite.select.get(i % 20_000);
          if (row !== undefined) sum += typed(row).at.getTime();
        }
      });
      sqlite.db.close();
      return sum > 0 ? result : 0;
    },
    async level(directory, scale) {
      const db = await openLevel(directory);
      await db.batch(
        range(20_000).map((id) => ({ type: 'put', key: levelKey(id), value: reading(id) })),
        { sync: false },
      );
      const count = 20_000 * scale;
      const result = await rate(count, () =>
        inFlight(count, 64, async (i) => {
          const value = await db.get(levelKey(i % 20_000));
          return { ...value, at: new Date(value.at) };
        }),
      );
      await db.close();
      return result;
    },
  },
  'insert, durable, 256 in flight': {
    async ours(directory, scale) {
      const db = await openOurs(directory);
      const count = 20_000 * scale;
      const result = await rate(count, () =>
        inFlight(count, 256, (i) => db.records(Told).insert(reading(i))),
      );
      await db.close();
      return result;
    },
    async lmdb(directory, scale) {
      const db = openBare(directory, true);
      const count = 20_000 * scale;
      const result = await rate(count, () => inFlight(count, 256, (i) => db.put(i, reading(i))));
      await db.close();
      return result;
    },
    async sqlite(directory, scale) {
      const sqlite = openSqlite(directory, true);
      const count = 2000 * scale;
      const result = await rate(count, () => {
        for (let i = 0; i < count; i += 1) sqlite.insert(reading(i));
      });
      sqlite.db.close();
      return result;
    },
    async level(directory, scale) {
      const db = await openLevel(directory);
      const count = 5000 * scale;
      const result = await rate(count, () =>
        inFlight(count, 256, (i) => db.put(levelKey(i), reading(i), { sync: true })),
      );
      await db.close();
      return result;
    },
  },
  'insert, batches of 100': {
    'ours, with events': batches(Told),
    'ours, without': batches(Silent),
    lmdb: bareBatches(false),
    'lmdb, durable': bareBatches(true),
    async sqlite(directory, scale) {
      const sqlite = openSqlite(directory, true);
      const count = 200 * scale;
      const result = await rate(count * 100, () => {
        for (let b = 0; b < count; b += 1)
          sqlite.transaction(() => {
            for (const id of range(100, b * 100)) sqlite.insert(reading(id));
          });
      });
      sqlite.db.close();
      return result;
    },
    async level(directory, scale) {
      const db = await openLevel(directory);
      const count = 200 * scale;
      const result = await rate(count * 100, async () => {
        for (let b = 0; b < count; b += 1)
          await db.batch(
            range(100, b * 100).map((id) => ({ type: 'put', key: levelKey(id), value: reading(id) })),
            { sync: true },
          );
      });
      await db.close();
      return result;
    },
  },
  'range of 100 by an index, records': {
    async ours(directory, scale) {
      const db = await openOurs(directory);
      await fillOurs(db, Indexed, 100 * SENSORS);
      const count = 1000 * scale;
      const result = await rate(count * 100, async () => {
        for (let i = 0; i < count; i += 1)
          await db
            .records(Indexed)
            .find({ index: 'bySensor', equals: `sensor-${i % SENSORS}` })
            .all();
      });
      await db.close();
      return result;
    },
    async sqlite(directory, scale) {
      const sqlite = openSqlite(directory, false);
      sqlite.transaction(() => range(100 * SENSORS).forEach((id) => void sqlite.insert(reading(id))));
      const count = 1000 * scale;
      let records: Reading[] = [];
      const result = await rate(count * 100, () => {
        for (let i = 0; i < count; i += 1)
          records = sqlite.selectSensor.all(`sensor-${i % SENSORS}`).map(typed);
      });
      sqlite.db.close();
      return records.length === 100 ? result : 0;
    },
  },
  'update with one subscriber, to its last event': {
    async ours(directory, scale) {
      const db = await openOurs(directory);
      await fillOurs(db, Told, 5000);
      const count = 10_000 * scale;
      const subscription = await db.events.on(Told, ['update'], () => {});
      const result = await rate(count, async () => {
        await inFlight(count, 256, (i) => db.records(Told).update(i % 5000, { celsius: i }));
        await subscription.caughtUp();
      });
      await db.close();
      return result;
    },
    async sqlite(directory, scale) {
      const sqlite = openSqlite(directory, true);
      sqlite.transaction(() => range(5000).forEach((id) => void sqlite.insert(reading(id))));
      const count = 2000 * scale;
      let seq = 5000;
      const poll = (): void => {
        for (const row of sqlite.changes?.all(seq) ?? []) {
          seq = (row as unknown as { seq: number }).seq;
          typed(row);
        }
      };
      const result = await rate(count, () => {
        for (let i = 0; i < count; i += 1) {
          sqlite.update.run(i, i % 5000);
          if (i % 256 === 255) poll();
        }
        while (seq < 5000 + count) poll();
      });
      sqlite.db.close();
      return result;
    },
  },
  'events that wait, to a handler': {
    async ours(directory, scale) {
      const count = EVENTS * scale;
      const db = await journalled(directory, count);
      let told = 0;
      const handler = (event: { readonly after: { readonly id: number } }): void => {
        if (event.after.id >= 0) told += 1;
      };
      const result = await rate(count, async () => {
        const subscription = await db.events.on(Told, ['new'], handler, { from: 'beginning' });
        await subscription.caughtUp();
      });
      await db.close();
      return told === count ? result : 0;
    },
    async sqlite(directory, scale) {
      const sqlite = openSqlite(directory, true);
      const count = EVENTS * scale;
      sqlite.transaction(() => range(count).forEach((id) => void sqlite.insert(reading(id))));
      let seq = 0;
      const result = await rate(count, () => {
        for (;;) {
          const rows = sqlite.changes?.all(seq) ?? [];
          if (rows.length === 0) return;
          for (const row of rows) {
            seq = (row as unknown as { seq: number }).seq;
            typed(row);
          }
        }
      });
      sqlite.db.close();
      return result;
    },
  },
  'events that wait, to an iterator': {
    async ours(directory, scale) {
      const count = EVENTS * scale;
      const db = await journalled(directory, count);
      const result = await rate(count, async () => {
        let left = count;
        for await (const event of db.events.feed(Told, { from: 'beginning' })) {
          left -= event.kind === 'new' ? 1 : 0;
          if (left === 0) break;
        }
      });
      await db.close();
      return result;
    },
  },
  'batches beside a subscription to another class': {
    'nobody follows': neighbours(false),
    'somebody follows': neighbours(true),
  },
};

export async function insertTold(db: Ours, from: number): Promise<void> {
  await db.transaction((tx) =>
    Promise.all(range(1000, from).map((id) => tx.records(Told).insert(reading(id)))),
  );
}
