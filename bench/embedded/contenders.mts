import { createRequire } from 'node:module';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { connect } from '../../lib/index.ts';
import { classes, type Reading } from './records.mts';

const require = createRequire(import.meta.url);

/** `maxBytes`: how much of the journal is kept. */
export const openOurs = (directory: string, maxBytes = 1 << 30) =>
  connect(`embedded://${join(directory, 'ours')}`, { classes, retention: { maxBytes } });
export type Ours = Awaited<ReturnType<typeof openOurs>>;

/** Bare LMDB: a commit is acknowledged when it is made, and synced afterwards, unless `durable`. */
export function openBare(directory: string, durable: boolean) {
  return openLmdb<Reading, number>({
    path: join(directory, 'lmdb'),
    ...(durable && { overlappingSync: false }),
  });
}

interface Statement<R extends Row = Row> {
  run(...values: unknown[]): unknown;
  get(...values: unknown[]): R | undefined;
  all(...values: unknown[]): R[];
}
interface Row extends Omit<Reading, 'at'> {
  readonly at: number;
}
interface ChangeRow extends Row {
  readonly seq: number;
}
interface Connection {
  exec(sql: string): void;
  pragma(text: string): void;
  prepare<R extends Row = Row>(sql: string): Statement<R>;
  close(): void;
}

const COLUMNS = 'id, sensor, room, celsius, humidity, state, at';

/** Write-ahead log, prepared statements; what is committed is synced. With `told`, triggers write a table of changes. */
export function openSqlite(directory: string, told: boolean) {
  const Database = require('better-sqlite3') as new (path: string) => Connection;
  const db = new Database(join(directory, 'sqlite.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec(`CREATE TABLE reading (id INTEGER PRIMARY KEY, sensor TEXT, room TEXT, celsius REAL, humidity REAL, state TEXT, at INTEGER);
    CREATE INDEX by_sensor ON reading (sensor, at);`);
  if (told) {
    const news = COLUMNS.split(', ')
      .map((name) => `new.${name}`)
      .join(', ');
    db.exec(`CREATE TABLE change (seq INTEGER PRIMARY KEY, kind TEXT, ${COLUMNS});
      CREATE TRIGGER inserted AFTER INSERT ON reading BEGIN INSERT INTO change (kind, ${COLUMNS}) VALUES ('new', ${news}); END;
      CREATE TRIGGER updated AFTER UPDATE ON reading BEGIN INSERT INTO change (kind, ${COLUMNS}) VALUES ('update', ${news}); END;`);
  }
  const insert = db.prepare(`INSERT INTO reading (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`);
  const begin = db.prepare('BEGIN');
  const commit = db.prepare('COMMIT');
  return {
    db,
    insert: (r: Reading) =>
      insert.run(r.id, r.sensor, r.room, r.celsius, r.humidity, r.state, r.at.getTime()),
    transaction(work: () => void): void {
      begin.run();
      work();
      commit.run();
    },
    select: db.prepare(`SELECT ${COLUMNS} FROM reading WHERE id = ?`),
    selectSensor: db.prepare(`SELECT ${COLUMNS} FROM reading WHERE sensor = ? ORDER BY at`),
    update: db.prepare('UPDATE reading SET celsius = ? WHERE id = ?'),
    changes: told
      ? db.prepare<ChangeRow>(`SELECT seq, kind, ${COLUMNS} FROM change WHERE seq > ? ORDER BY seq LIMIT 256`)
      : undefined,
  };
}

export type Sqlite = ReturnType<typeof openSqlite>;

/** A row, or what was JSON, as the object that an application works with. */
export function typed(row: Row | Stored): Reading {
  return { ...row, at: new Date(row.at) };
}

/** JSON has no dates. */
export interface Stored extends Omit<Reading, 'at'> {
  readonly at: string;
}
export interface Level {
  open(): Promise<void>;
  get(key: string): Promise<Stored>;
  getMany(keys: string[]): Promise<Stored[]>;
  put(key: string, value: Reading, options: { sync: boolean }): Promise<void>;
  batch(
    operations: { type: 'put'; key: string; value: Reading }[],
    options: { sync: boolean },
  ): Promise<void>;
  close(): Promise<void>;
}

export async function openLevel(directory: string): Promise<Level> {
  const { Level } = require('level') as { Level: new (path: string, options: object) => Level };
  const db = new Level(join(directory, 'level'), { valueEncoding: 'json' });
  await db.open();
  return db;
}

export const levelKey = (id: number): string => String(id).padStart(10, '0');
