// What loads are made of, whoever the contender is.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ours } from './contenders.mts';
import { type Indexed, reading, type Silent, Told } from './records.mts';

/** Operations a second in one round, with data of its own in the directory. */
export type Writer = (directory: string, scale: number) => Promise<number>;
/** What is filled once and read in every round, by the contenders' names. */
export interface Readers {
  readonly rates: Readonly<Record<string, () => Promise<number>>>;
  close(): Promise<void> | void;
}
export interface Scenario {
  readonly writers?: Readonly<Record<string, Writer>>;
  readonly readers?: readonly ((directory: string, scale: number) => Promise<Readers>)[];
}
export type AnyClass = typeof Told | typeof Silent | typeof Indexed;

export async function inDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'evenkeel-bench-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Operations a second of the work. */
export async function rate(operations: number, work: () => Promise<unknown> | unknown): Promise<number> {
  global.gc?.();
  const start = performance.now();
  await work();
  return (operations * 1000) / (performance.now() - start);
}

/** Keeps `depth` operations under way until `count` have ended. */
export async function inFlight(
  count: number,
  depth: number,
  one: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: depth }, worker));
}

export const range = (count: number, from = 0): number[] =>
  Array.from({ length: count }, (_each, i) => from + i);

/** One transaction. */
export function insertBatch(db: Ours, of: AnyClass, from: number, count = 100): Promise<unknown> {
  return db.transaction((tx) => {
    const records = tx.records<AnyClass>(of);
    return Promise.all(range(count, from).map((id) => records.insert(reading(id))));
  });
}

/** Transactions of 100; as many under way as make the commits cheap. */
export function fillOurs(db: Ours, count: number, of: AnyClass = Told): Promise<void> {
  return inFlight(count / 100, 32, (i) => insertBatch(db, of, i * 100));
}
