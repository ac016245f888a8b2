import assert from 'node:assert/strict';
import { type ConnectOptions, connect } from '../../lib/connect.ts';
import type { BaseView, Database } from '../../lib/database.ts';
import { EventBase } from '../../lib/event-base/event-base.ts';
import type { NativeCounters } from '../../lib/native/addon.ts';
import { loadAddon } from '../../lib/native/load.ts';

export type Model = 'host' | 'thread';
export const models: readonly Model[] = ['host', 'thread'];

export interface Way {
  readonly model: Model;
  readonly protocol: 'binary' | 'meta';
  readonly name: string;
}

/** The binary protocol on both bases, the meta protocol on one: how a base is driven is no affair of a protocol. */
export const ways: readonly Way[] = [
  { model: 'host', protocol: 'binary', name: 'a host base' },
  { model: 'thread', protocol: 'binary', name: 'a thread base' },
  { model: 'host', protocol: 'meta', name: 'a host base in the meta protocol' },
];

/** EVENKEEL_SOAK=1 makes the long tests long. */
export const soak = process.env.EVENKEEL_SOAK === '1';

export const counters = (): NativeCounters => loadAddon().counters();

/** Closes this thread's own base and asserts that no native object is left in the process. */
export async function assertNothingLeft(): Promise<void> {
  await EventBase.host.close();
  const left = (): string[] =>
    Object.entries(counters())
      .filter(([, count]) => count !== 0)
      .map(([name, count]) => `${count} ${name}`);
  // The thread of a base may still be at the destructor of what it has announced as ended.
  await until(
    () => left().length === 0,
    () => `nothing is left (${left().join(', ')})`,
  );
}

/** A base of the model; disposing of it closes it. */
export function openBase(model: Model): EventBase {
  return model === 'host' ? EventBase.host : EventBase.create();
}

export interface OpenDatabase extends AsyncDisposable {
  readonly db: Database;
  readonly base: EventBase;
}

/** So that no deadline passes which the test has not set, and a silent server is noticed as by default. */
const PATIENT = { timeout: 30_000, connectTimeout: 30_000 };
const SILENCE = 2500;

/** A database on a base of its own, in the binary protocol unless it is told otherwise; disposing of it closes both. */
export async function open(url: string, model: Model, options: ConnectOptions = {}): Promise<OpenDatabase> {
  const base = openBase(model);
  const db = await connect(url, {
    protocol: 'binary',
    silenceTimeout: options.timeout ?? SILENCE,
    ...PATIENT,
    ...options,
    eventBase: base,
  });
  return {
    db,
    base,
    async [Symbol.asyncDispose]() {
      await db.close();
      await base.close();
    },
  };
}

/** Resolves when the condition holds; rejects after two minutes. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
): Promise<void> {
  const end = performance.now() + 120_000;
  while (!(await condition())) {
    if (performance.now() > end)
      throw new Error(`never happened: ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The next turn of Node's loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Keeps this thread from everything else. */
export function keepBusy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** Retries `get` until the client has recovered: the server behaves again, and its next connection works. */
export async function assertRecovers(view: BaseView, key: string, expected: unknown): Promise<void> {
  const value = await view.get(key, { timeout: 60_000 });
  assert.equal(value, expected);
}

/** The reason of a rejection; fails when there is none. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  throw new assert.AssertionError({ message: 'the promise was fulfilled' });
}

/** Messages of an error and of what caused it, for a look at the whole. */
export function story(error: unknown): string {
  return error instanceof Error ? `${error.message} <- ${story(error.cause)}` : '';
}

/** Small, fast and seeded (mulberry32): uniform in [0, 1). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
