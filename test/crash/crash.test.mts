import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, type Database } from '../../lib/index.ts';
import { ACCOUNTS, Account, applyEffects, classes, Effect, Entry, Note, START } from './classes.mjs';

/** `npm run test:crash` asks for 500. */
const KILLS = Number(process.env.EVENKEEL_KILLS ?? 24);
const DATABASES = 2;
/** What one directory goes through before the next; the whole of its history is looked at after each kill. */
const KILLS_EACH = 25;
const SEED = Number(process.env.EVENKEEL_SEED ?? Date.now() % 2 ** 31);
const WRITER = fileURLToPath(new URL('writer.mjs', import.meta.url));

interface Acknowledged {
  readonly entries: Set<string>;
  readonly plain: Set<string>;
  /** What was prepared and rolled back. */
  readonly nothing: Set<string>;
}

/**
 * Lets a writer work and kills it `after` ms from when it began, in the middle of whatever it does then. The first of a
 * directory is heard of before that, however slow the machine.
 */
async function writeAndKill(
  directory: string,
  seed: number,
  run: number,
  after: number,
  known: Acknowledged,
) {
  const writer = spawn(process.execPath, [WRITER, directory, String(seed), String(run)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  writer.stderr.on('data', (data) => {
    errors += data;
  });
  const ready = new Promise<void>((resolve) => {
    writer.stdout.on('data', (data) => {
      output += data;
      if (output.includes(run === 0 ? '\nentry ' : 'ready\n')) resolve();
    });
  });
  const ended = once(writer, 'close');
  await Promise.race([ready, ended]);
  await delay(after);
  writer.kill('SIGKILL');
  const [code, signal] = await ended;
  assert.equal(signal, 'SIGKILL', `the writer ended by itself (${code}): ${errors}`);
  // The last line may have been cut: it was not acknowledged to anybody then.
  for (const line of output.split('\n').slice(0, -1)) {
    const [kind, id] = line.split(' ');
    if (id === undefined) continue;
    if (kind === 'plain') known.plain.add(id);
    else if (kind === 'nothing') known.nothing.add(id);
    else known.entries.add(id);
  }
}

type Opened = Database<typeof classes>;

async function check(db: Opened, known: Acknowledged): Promise<void> {
  const entries = new Set((await db.records(Entry).find().all()).map(({ id }) => id));
  for (const id of known.entries) assert.ok(entries.has(id), `entry ${id} was acknowledged and is lost`);
  for (const id of known.nothing) assert.ok(!entries.has(id), `entry ${id} was rolled back and is there`);
  for (const id of known.plain)
    assert.equal(await db.get(`plain:${id}`), id, `plain:${id} was acknowledged and is lost`);

  const accounts = await db.records(Account).find().all();
  const sum = accounts.reduce((total, { balance }) => total + balance, 0);
  assert.equal(sum, ACCOUNTS * START, 'a transaction was done by half');
  const byIndex = await db.records(Account).find({ index: 'byBalance' }).all();
  assert.deepEqual(byIndex.map(({ id }) => id).sort(byNumber), accounts.map(({ id }) => id).sort(byNumber));

  await checkHistory(db, entries);
}

/** All events there ever were, applied to nothing, give what is there. */
async function checkHistory(db: Opened, entries: ReadonlySet<string>): Promise<void> {
  const seen = {
    Account: new Map<unknown, unknown>(),
    Entry: new Map<unknown, unknown>(),
    Note: new Map<unknown, unknown>(),
  };
  const end = await marker(db);
  const feed = db.events.feed([Account, Entry, Note], { from: 'beginning' });
  let last = '';
  for await (const event of feed) {
    assert.notEqual(event.position, last);
    last = event.position;
    if (event.class === 'Entry' && event.kind === 'new' && event.key === end) break;
    const records = seen[event.class];
    if (event.kind === 'deleteAll') records.clear();
    else if (event.kind === 'delete') records.delete(event.key);
    else records.set(event.key, event.after);
  }
  const stored = async (records: { all(): Promise<readonly { readonly id: unknown }[]> }) =>
    new Map((await records.all()).map((record) => [record.id, record]));
  assert.deepEqual(seen.Account, await stored(db.records(Account).find()));
  assert.deepEqual(sorted(seen.Note), sorted(await stored(db.records(Note).find())));
  assert.deepEqual(
    new Set([...seen.Entry.keys()].filter(isEntry)),
    entries,
    'an entry without its event, or an event without its entry',
  );
}

/** A last event to stop at; taken back, so that the next look finds the history without it. */
async function marker(db: Opened): Promise<string> {
  const id = `marker.${Math.random()}`;
  await db.records(Entry).insert({ id, text: '' });
  await db.records(Entry).remove(id);
  return id;
}

/** Each entry has had its effect once: a second one would have failed on the key of the first. */
async function checkEffects(db: Opened): Promise<void> {
  const effects = await applyEffects(db);
  await effects.caughtUp();
  await effects.close();
  await effects.closed;
  const wanted = (await db.records(Entry).find().all()).map(({ id }) => id);
  const done = (await db.records(Effect).find().all()).map(({ id }) => id).filter(isEntry);
  assert.deepEqual(new Set(done), new Set(wanted));
}

function isEntry(id: unknown): boolean {
  return !String(id).startsWith('marker');
}

function sorted(map: Map<unknown, unknown>): unknown[] {
  return [...map.entries()].sort(([a], [b]) => Number(a) - Number(b));
}

const byNumber = (a: number, b: number): number => a - b;

async function kill(directory: string, kills: number, seed: number): Promise<void> {
  const known: Acknowledged = { entries: new Set(), plain: new Set(), nothing: new Set() };
  let state = seed >>> 0;
  for (let run = 0; run < kills; run += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    await writeAndKill(directory, state, run, state % 90, known);
    await using db = await connect(`embedded://${directory}`, { classes });
    await check(db, known);
    if (run === kills - 1) await checkEffects(db);
  }
  assert.ok(known.entries.size > 0, 'no writer lived long enough to be heard of');
}

describe('a process that is killed', () => {
  test(`loses nothing it had acknowledged, and leaves nothing half done, ${KILLS} times (seed ${SEED})`, async () => {
    const parts = Math.ceil(KILLS / KILLS_EACH);
    const queue = Array.from({ length: parts }, (_each, i) => Math.min(KILLS_EACH, KILLS - i * KILLS_EACH));
    const lane = async (): Promise<void> => {
      for (let kills = queue.shift(); kills !== undefined; kills = queue.shift()) {
        const directory = await mkdtemp(path.join(tmpdir(), 'evenkeel-crash-'));
        try {
          await kill(directory, kills, SEED + queue.length);
        } finally {
          await rm(directory, { recursive: true, force: true });
        }
      }
    };
    await Promise.all(Array.from({ length: DATABASES }, lane));
  });
});
