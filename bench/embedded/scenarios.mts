import { open as openLmdb } from 'lmdb';
import { levelKey, openBare, openLevel, openOurs, openSqlite, type Sqlite, typed } from './contenders.mts';
import {
  fillOurs,
  inFlight,
  insertBatch,
  type Readers,
  range,
  rate,
  type Scenario,
  type Writer,
} from './load.mts';
import { Indexed, type Reading, reading, SENSORS, Silent, Told } from './records.mts';

const STORED = 20_000;
const IN_FLIGHT = 256;
const EVENTS = 1_000_000;

/** So that nothing read is left out by the compiler, and nothing is missing. */
function checked(sum: number, result: number): number {
  if (!(sum > 0)) throw new Error('nothing was read');
  return result;
}

const batches =
  (of: typeof Told | typeof Silent): Writer =>
  async (directory, scale) => {
    const count = 200 * scale;
    await using db = await openOurs(directory);
    return await rate(count * 100, async () => {
      for (let b = 0; b < count; b += 1) await insertBatch(db, of, b * 100);
    });
  };

const bareBatches =
  (durable: boolean): Writer =>
  async (directory, scale) => {
    const count = 200 * scale;
    const db = openBare(directory, durable);
    const result = await rate(count * 100, async () => {
      for (let b = 0; b < count; b += 1)
        await db.transaction(() => {
          for (const id of range(100, b * 100)) void db.put(id, reading(id));
        });
    });
    await db.close();
    return result;
  };

function sqliteBatch(sqlite: Sqlite, from: number): void {
  sqlite.transaction(() => {
    for (const id of range(100, from)) sqlite.insert(reading(id));
  });
}

/** Writes to a class without events, while somebody follows another class, or nobody. */
const neighbours =
  (size: number, followed: boolean): Writer =>
  async (directory, scale) => {
    await using db = await openOurs(directory);
    const subscription = followed ? await db.events.on(Told, ['new'], () => {}) : undefined;
    const count = 60_000 * scale; // a second, or so: less would tell what else the machine does
    const result = await rate(count, () =>
      size === 1
        ? inFlight(count, IN_FLIGHT, (i) => db.records(Silent).insert(reading(i)))
        : inFlight(count / size, 4, (i) => insertBatch(db, Silent, i * size, size)),
    );
    await subscription?.close();
    return result;
  };

/** Gives what is new in the table of changes to `handle`; the last row seen. */
function poll(sqlite: Sqlite, after: number, handle: (record: Reading) => void): number {
  let seq = after;
  for (const row of sqlite.changes?.all(seq) ?? []) {
    seq = row.seq;
    handle(typed(row));
  }
  return seq;
}

const gets: NonNullable<Scenario['readers']> = [
  async (directory, scale): Promise<Readers> => {
    const db = await openOurs(directory);
    await fillOurs(db, STORED);
    const records = db.records(Told);
    const count = 300_000 * scale;
    const ours = async (): Promise<number> => {
      let sum = 0;
      const result = await rate(count, async () => {
        for (let i = 0; i < count; i += 1) sum += (await records.get(i % STORED))?.at.getTime() ?? 0;
      });
      return checked(sum, result);
    };
    return { rates: { ours }, close: () => db.close() };
  },
  async (directory, scale): Promise<Readers> => {
    const db = openBare(directory, false);
    await db.transaction(() => {
      for (const id of range(STORED)) void db.put(id, reading(id));
    });
    const count = 300_000 * scale;
    const lmdb = async (): Promise<number> => {
      let sum = 0;
      const result = await rate(count, () => {
        for (let i = 0; i < count; i += 1) sum += db.get(i % STORED)?.at.getTime() ?? 0;
      });
      return checked(sum, result);
    };
    return { rates: { lmdb }, close: () => db.close() };
  },
  async (directory, scale): Promise<Readers> => {
    const opened = openSqlite(directory, false);
    opened.transaction(() => {
      for (const id of range(STORED)) opened.insert(reading(id));
    });
    const count = 200_000 * scale;
    const sqlite = async (): Promise<number> => {
      let sum = 0;
      const result = await rate(count, () => {
        for (let i = 0; i < count; i += 1) {
          const row = opened.select.get(i % STORED);
          if (row !== undefined) sum += typed(row).at.getTime();
        }
      });
      return checked(sum, result);
    };
    return { rates: { sqlite }, close: () => opened.db.close() };
  },
  async (directory, scale): Promise<Readers> => {
    const db = await openLevel(directory);
    const all = range(STORED).map((id) => ({ type: 'put' as const, key: levelKey(id), value: reading(id) }));
    await db.batch(all, { sync: false });
    const count = 50_000 * scale;
    const level = async (): Promise<number> => {
      let sum = 0;
      const result = await rate(count, async () => {
        for (let i = 0; i < count; i += 1) sum += typed(await db.get(levelKey(i % STORED))).at.getTime();
      });
      return checked(sum, result);
    };
    return { rates: { level }, close: () => db.close() };
  },
];

const RANGES = 1000;

/** 100 records of each sensor. */
const ranges: NonNullable<Scenario['readers']> = [
  async (directory, scale): Promise<Readers> => {
    const db = await openOurs(directory);
    await fillOurs(db, 100 * SENSORS, Indexed);
    const records = db.records(Indexed);
    const ours = (): Promise<number> =>
      rangesOf(scale, (sensor) => records.find({ index: 'bySensor', equals: sensor }).all());
    return { rates: { ours }, close: () => db.close() };
  },
  async (directory, scale): Promise<Readers> => {
    const db = openBare(directory, false);
    const index = openLmdb<number, (string | number)[]>({ path: `${directory}/index` });
    await db.transaction(() => {
      for (const id of range(100 * SENSORS)) void db.put(id, reading(id));
    });
    await index.transaction(() => {
      for (const { id, sensor, at } of range(100 * SENSORS).map(reading))
        void index.put([sensor, at.getTime(), id], id);
    });
    const lmdb = (): Promise<number> =>
      rangesOf(scale, (sensor) =>
        Array.from(
          index.getRange({ start: [sensor], end: [sensor, Number.MAX_VALUE] }),
          ({ value }) => db.get(value) as Reading,
        ),
      );
    return {
      rates: { lmdb },
      async close() {
        await index.close();
        await db.close();
      },
    };
  },
  async (directory, scale): Promise<Readers> => {
    const opened = openSqlite(directory, false);
    opened.transaction(() => {
      for (const id of range(100 * SENSORS)) opened.insert(reading(id));
    });
    const sqlite = (): Promise<number> =>
      rangesOf(scale, (sensor) => opened.selectSensor.all(sensor).map(typed));
    return { rates: { sqlite }, close: () => opened.db.close() };
  },
];

function rangesOf(scale: number, find: (sensor: string) => Reading[] | Promise<Reading[]>): Promise<number> {
  const count = RANGES * scale;
  return rate(count * 100, async () => {
    for (let i = 0; i < count; i += 1) {
      const { length } = await find(`sensor-${i % SENSORS}`);
      if (length !== 100) throw new Error(`${length} records instead of 100`);
    }
  });
}

/** Filled beforehand; only the reading counts. */
const waiting: NonNullable<Scenario['readers']> = [
  async (directory, scale): Promise<Readers> => {
    const count = EVENTS * scale;
    const db = await openOurs(directory);
    await fillOurs(db, count);
    return {
      rates: {
        async 'ours, to a handler'() {
          let told = 0;
          const result = await rate(count, async () => {
            const handler = ({ after }: { readonly after: Reading }): void => {
              if (after.at.getTime() > 0) told += 1;
            };
            const subscription = await db.events.on(Told, ['new'], handler, { from: 'beginning' });
            await subscription.caughtUp();
            await subscription.close();
          });
          if (told !== count) throw new Error(`${told} events instead of ${count}`);
          return result;
        },
        async 'ours, to an iterator'() {
          let left = count;
          return await rate(count, async () => {
            for await (const event of db.events.feed(Told, { from: 'beginning' })) {
              if (event.kind === 'new' && event.after.at.getTime() > 0) left -= 1;
              if (left === 0) break;
            }
          });
        },
      },
      close: () => db.close(),
    };
  },
  async (directory, scale): Promise<Readers> => {
    const count = EVENTS * scale;
    const opened = openSqlite(directory, true);
    opened.transaction(() => {
      for (const id of range(count)) opened.insert(reading(id));
    });
    const sqlite = async (): Promise<number> => {
      let told = 0;
      const handler = ({ at }: Reading): void => {
        if (at.getTime() > 0) told += 1;
      };
      return await rate(count, () => {
        for (let seq = 0; told < count; ) seq = poll(opened, seq, handler);
      });
    };
    return { rates: { sqlite }, close: () => opened.db.close() };
  },
];

export const scenarios: Readonly<Record<string, Scenario>> = {
  'get, warm': { readers: gets },
  'insert, durable, 256 in flight': {
    writers: {
      async ours(directory, scale) {
        await using db = await openOurs(directory);
        const count = 20_000 * scale;
        return await rate(count, () =>
          inFlight(count, IN_FLIGHT, (i) => db.records(Told).insert(reading(i))),
        );
      },
      async 'lmdb, durable'(directory, scale) {
        const db = openBare(directory, true);
        const count = 20_000 * scale;
        const result = await rate(count, () => inFlight(count, IN_FLIGHT, (i) => db.put(i, reading(i))));
        await db.close();
        return result;
      },
      async sqlite(directory, scale) {
        const sqlite = openSqlite(directory, true);
        const count = 500 * scale;
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
          inFlight(count, IN_FLIGHT, (i) => db.put(levelKey(i), reading(i), { sync: true })),
        );
        await db.close();
        return result;
      },
    },
  },
  'insert, batches of 100': {
    writers: {
      'ours, with events': batches(Told),
      'ours, without': batches(Silent),
      lmdb: bareBatches(false),
      'lmdb, durable': bareBatches(true),
      async sqlite(directory, scale) {
        const sqlite = openSqlite(directory, true);
        const count = 200 * scale;
        const result = await rate(count * 100, () => {
          for (let b = 0; b < count; b += 1) sqliteBatch(sqlite, b * 100);
        });
        sqlite.db.close();
        return result;
      },
      async level(directory, scale) {
        const db = await openLevel(directory);
        const count = 200 * scale;
        const put = (id: number) => ({ type: 'put' as const, key: levelKey(id), value: reading(id) });
        const result = await rate(count * 100, async () => {
          for (let b = 0; b < count; b += 1) await db.batch(range(100, b * 100).map(put), { sync: true });
        });
        await db.close();
        return result;
      },
    },
  },
  'range of 100 by an index, records': { readers: ranges },
  'update with one subscriber, to its last event': {
    writers: {
      async ours(directory, scale) {
        await using db = await openOurs(directory);
        await fillOurs(db, 5000);
        const count = 10_000 * scale;
        const subscription = await db.events.on(Told, ['update'], () => {});
        return await rate(count, async () => {
          await inFlight(count, IN_FLIGHT, (i) => db.records(Told).update(i % 5000, { celsius: i }));
          await subscription.caughtUp();
        });
      },
      async sqlite(directory, scale) {
        const sqlite = openSqlite(directory, true);
        for (let from = 0; from < 5000; from += 100) sqliteBatch(sqlite, from);
        const count = 512 * scale;
        let seq = 5000;
        const result = await rate(count, () => {
          for (let i = 0; i < count; i += 1) {
            sqlite.update.run(i, i % 5000);
            if (i % IN_FLIGHT === 0) seq = poll(sqlite, seq, () => {});
          }
          while (seq < 5000 + count) seq = poll(sqlite, seq, () => {});
        });
        sqlite.db.close();
        return result;
      },
    },
  },
  'events that wait': { readers: waiting },
  'events, the whole way: batches of 100 written and read': {
    writers: {
      async ours(directory, scale) {
        await using db = await openOurs(directory);
        const count = 200 * scale;
        const subscription = await db.events.on(Told, ['new'], () => {});
        return await rate(count * 100, async () => {
          for (let b = 0; b < count; b += 1) await insertBatch(db, Told, b * 100);
          await subscription.caughtUp();
        });
      },
      async sqlite(directory, scale) {
        const sqlite = openSqlite(directory, true);
        const count = 200 * scale;
        let seq = 0;
        const result = await rate(count * 100, () => {
          for (let b = 0; b < count; b += 1) {
            sqliteBatch(sqlite, b * 100);
            seq = poll(sqlite, seq, () => {});
          }
          if (seq !== count * 100) throw new Error(`${seq} changes instead of ${count * 100}`);
        });
        sqlite.db.close();
        return result;
      },
    },
  },
  'without events, 256 in flight': {
    writers: { 'nobody follows': neighbours(1, false), 'another class followed': neighbours(1, true) },
  },
  'without events, batches of 100': {
    writers: { 'nobody follows': neighbours(100, false), 'another class followed': neighbours(100, true) },
  },
};
