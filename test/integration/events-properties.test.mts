import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type AnyEvent,
  connect,
  type Database,
  defineClass,
  field,
  onDelete,
  onDeleteAll,
  onExpire,
  onNew,
  onUpdate,
} from '../../lib/index.ts';
import { Directory } from './events-shop.mts';

const events = [onNew(), onUpdate(), onDelete(), onDeleteAll(), onExpire()] as const;
const fields = { id: field.uint32(), value: field.uint32() };
const Kept = defineClass('Kept', { key: 'id', fields, events });
const Aging = defineClass('Aging', { key: 'id', fields, events, ttl: { age: 5, count: 6 } });
const End = defineClass('End', { key: 'id', fields: { id: field.autoid() }, events: [onNew()] });
const classes = [Kept, Aging, End] as const;
type Shop = Database<typeof classes>;

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('upsert' as const),
      of: fc.boolean(),
      id: fc.nat(9),
      value: fc.nat(3),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('remove' as const), of: fc.boolean(), id: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('deleteAll' as const), of: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('checkpoint' as const) }) },
);
const transaction = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 8 }),
  /** What becomes of it: it is given up, meets a conflict first, or is committed. */
  fate: fc.constantFrom('commit', 'commit', 'commit', 'rollback', 'conflict'),
  /** Seconds that pass before it. */
  pause: fc.nat(3),
});
type Work = typeof transaction extends fc.Arbitrary<infer T> ? T : never;

class Clock {
  time = Date.UTC(2030, 0, 1);
  readonly now = (): number => this.time;
}

async function perform(db: Shop, clock: Clock, { steps, fate, pause }: Work): Promise<void> {
  clock.time += pause * 1000;
  let isFirst = true;
  await db
    .transaction(async (tx) => {
      for (const each of steps) {
        if (each.op === 'checkpoint') await tx.checkpoint();
        else {
          const records = tx.records<typeof Kept | typeof Aging>(each.of ? Kept : Aging);
          if (each.op === 'upsert') await records.upsert({ id: each.id, value: each.value });
          else if (each.op === 'remove') await records.remove(each.id);
          else await records.deleteAll();
        }
      }
      if (fate === 'rollback') throw new Rollback();
      if (fate === 'conflict' && isFirst) {
        isFirst = false;
        for (const each of steps)
          if (each.op === 'upsert')
            await db
              .records<typeof Kept | typeof Aging>(each.of ? Kept : Aging)
              .upsert({ id: each.id, value: 77 });
      }
    })
    .catch((error: unknown) => {
      if (!(error instanceof Rollback)) throw error;
    });
}

class Rollback extends Error {}

async function end(db: Shop): Promise<bigint> {
  return (await db.records(End).insert({})).id;
}

/** What is told up to the marker. */
async function collect<E extends { readonly kind: string }>(
  feed: AsyncIterable<E>,
  marker: bigint,
): Promise<E[]> {
  const all: E[] = [];
  for await (const event of feed) {
    if ((event as { class?: string }).class === 'End') {
      if ((event as { key?: unknown }).key === marker) break;
      continue;
    }
    all.push(event);
  }
  return all;
}

/** A failure is reported with it. */
const SEED = Number(process.env.EVENKEEL_SEED ?? Date.now() % 2 ** 31);

type State = Map<string, unknown>;
const nameOf = (name: string, key: unknown): string => `${name} ${String(key)}`;

function apply(state: State, event: AnyEvent): void {
  if (
    event.kind === 'gap' ||
    event.kind === 'schema' ||
    event.kind === 'checkpoint' ||
    event.kind === 'fieldUpdate'
  )
    return;
  if (event.kind === 'deleteAll') {
    for (const name of [...state.keys()]) if (name.startsWith(`${event.class} `)) state.delete(name);
  } else if (event.kind === 'delete' || event.kind === 'expire') {
    state.delete(nameOf(event.class, event.key));
  } else {
    state.set(nameOf(event.class, event.key), event.after);
  }
}

async function stored(db: Shop): Promise<State> {
  const state: State = new Map();
  for (const each of [Kept, Aging] as const)
    for (const record of await db.records<typeof Kept | typeof Aging>(each).find().all())
      state.set(nameOf(each.name, record.id), record);
  return state;
}

const byName = (state: State): unknown[] => [...state].sort(([a], [b]) => (a < b ? -1 : 1));

/** Runs the property; a failure is reported with its seed. */
async function holds(property: (work: readonly Work[]) => Promise<void>): Promise<void> {
  await fc.assert(fc.asyncProperty(fc.array(transaction, { minLength: 1, maxLength: 12 }), property), {
    numRuns: 60,
    seed: SEED,
  });
}

async function shop(clock: Clock, url: `embedded:${string}` = 'embedded:'): Promise<Shop> {
  return connect(url, { classes, clock: clock.now, sweeper: false });
}

describe('whatever is done to a database', () => {
  test('property 1: the records at one moment and the events since then make the records at another', async () => {
    await holds(async (work) => {
      const clock = new Clock();
      await using db = await shop(clock);
      const half = work.length >> 1;
      for (const each of work.slice(0, half)) await perform(db, clock, each);
      await db.expireNow();
      const state = await stored(db);
      const feed = db.events.feed(classes);
      for (const each of work.slice(half)) await perform(db, clock, each);
      await db.expireNow();
      for (const event of await collect(feed, await end(db))) apply(state, event as AnyEvent);
      assert.deepEqual(byName(state), byName(await stored(db)));
    });
  });

  test('property 2: what a subscription is told and what its gaps count make all there was', async () => {
    await holds(async (work) => {
      const clock = new Clock();
      await using db = await shop(clock);
      const everything = db.events.feed(classes);
      const lossy = db.events.feed([Kept, Aging], { overflow: 'dropOldest', queue: 3 });
      for (const each of work) await perform(db, clock, each);
      const all = await collect(everything, await end(db));
      let count = 0;
      for (let left = all.length; count < left; ) {
        const { value } = await lossy.next();
        assert.ok(value);
        count += value.kind === 'gap' ? (value.dropped ?? 0) : 1;
        left = all.length;
      }
      assert.equal(count, all.length);
      lossy.close();
    });
  });

  test('property 3: positions only grow, however often the database is opened anew', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { minLength: 2, maxLength: 8 }), async (work) => {
        await using directory = await Directory.make();
        const clock = new Clock();
        let from = 'beginning';
        const seen: string[] = [];
        const keys: unknown[] = [];
        for (const each of work) {
          await using db = await shop(clock, directory.url);
          const feed = db.events.feed(classes, { from });
          await perform(db, clock, each);
          const marker = await end(db);
          for await (const event of feed) {
            seen.push(event.position);
            keys.push(event.transaction.seq);
            from = event.position;
            if (event.class === 'End' && event.kind === 'new' && event.key === marker) break;
          }
        }
        assert.equal(new Set(seen).size, seen.length);
        for (let i = 1; i < keys.length; i += 1) assert.ok((keys[i] as bigint) >= (keys[i - 1] as bigint));
      }),
      { numRuns: 10, seed: SEED },
    );
  });

  test('property 3: a durable subscription is told everything, and nothing again that is not marked so', async () => {
    const session = fc.record({
      /** What is committed meanwhile, by transactions of so many inserts. */
      commits: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      ack: fc.constantFrom('auto' as const, 'manual' as const),
      ackWithin: fc.boolean(),
      /** How many events it handles, and how it ends then. */
      handles: fc.nat(6),
      way: fc.constantFrom('close', 'throw', 'go on'),
      /** Which of its events it acknowledges by itself. */
      acks: fc.array(fc.boolean(), { maxLength: 6 }),
    });
    const property = fc.asyncProperty(fc.array(session, { minLength: 1, maxLength: 8 }), async (sessions) => {
      await using db = await shop(new Clock());
      const told = new Set<number>();
      let id = 0;
      const hold = async (each: (typeof sessions)[number]): Promise<void> => {
        let handled = 0;
        let last = -1;
        const subscription: { close(): Promise<void>; closed: Promise<void>; caughtUp(): Promise<void> } =
          await db.events.durable(
            'name',
            Kept,
            async (event) => {
              if (event.kind !== 'new') return;
              handled += 1;
              assert.ok(event.key > last, `${event.key} after ${last}`);
              last = event.key;
              assert.ok(event.redelivered || !told.has(event.key), `${event.key} is told again, unmarked`);
              assert.equal(event.redelivered, event.attempt > 1);
              told.add(event.key);
              if (each.acks[handled - 1]) await event.ack();
              if (handled <= each.handles) return;
              if (each.way === 'throw') throw new Rollback();
              if (each.way === 'close') await subscription.close();
            },
            { from: 'beginning', ack: each.ack, ackWithin: each.ackWithin, kinds: ['new'] },
          );
        await subscription.caughtUp().catch(() => {});
        await subscription.close();
        await subscription.closed.catch((error: unknown) => {
          if (!(error instanceof Rollback)) throw error;
        });
      };
      for (const each of sessions) {
        for (const count of each.commits) {
          await db.transaction(async (tx) => {
            for (let i = 0; i < count; i += 1) {
              await tx.records(Kept).insert({ id, value: 0 });
              id += 1;
            }
          });
        }
        await hold(each);
      }
      await hold({ commits: [], ack: 'auto', ackWithin: false, handles: 1000, way: 'go on', acks: [] });
      assert.equal(told.size, id, 'something was never told');
    });
    await fc.assert(property, { numRuns: 60, seed: SEED });
  });

  test('property 4: a transaction is told as a whole before any other, and numbered without a hole', async () => {
    await holds(async (work) => {
      const clock = new Clock();
      await using db = await shop(clock);
      const feed = db.events.feed(classes);
      await Promise.all(work.map((each) => perform(db, clock, each)));
      let expected = 0;
      let current = -1n;
      for (const { transaction: info } of await collect(feed, await end(db))) {
        if (info.index === 0) {
          assert.equal(expected, 0, 'the one before had not ended');
          assert.ok(info.seq > current);
          current = info.seq;
          expected = info.count;
        }
        assert.equal(info.seq, current);
        expected -= 1;
        assert.equal(info.last, expected === 0);
      }
      assert.equal(expected, 0);
    });
  });

  test('property 5: the operations of each transaction, folded, are its net events', async () => {
    await holds(async (work) => {
      const clock = new Clock();
      await using db = await shop(clock);
      const net = db.events.feed(classes);
      const each = db.events.feed(classes, { granularity: 'each' });
      for (const some of work) await perform(db, clock, some);
      const marker = await end(db);
      const folded = new Map<bigint, string[]>();
      for (const [seq, events] of byTransaction(await collect(each, marker))) {
        const all = fold(events);
        if (all.length > 0) folded.set(seq, all);
      }
      const direct = new Map<bigint, string[]>();
      for (const [seq, events] of byTransaction(await collect(net, marker)))
        direct.set(seq, events.map(inFull).sort());
      assert.deepEqual(folded, direct);
    });
  });
});

type Seen = { readonly kind: string; readonly transaction: { readonly seq: bigint } };

function byTransaction<E extends Seen>(events: readonly E[]): Map<bigint, E[]> {
  const all = new Map<bigint, E[]>();
  for (const event of events) {
    const { seq } = event.transaction;
    all.set(seq, [...(all.get(seq) ?? []), event]);
  }
  return all;
}

interface Told {
  readonly kind: string;
  readonly class?: string;
  readonly key?: unknown;
  readonly before?: unknown;
  readonly after?: unknown;
  readonly count?: number;
}

function inFull({ kind, class: name, key, before, after, count }: Told): string {
  return JSON.stringify([kind, name, key, before, after, count]);
}

/** What a transaction has done to a record, from its first operation to its last. */
interface Life {
  readonly class: string;
  readonly key: unknown;
  readonly before: unknown;
  after: unknown;
  end: string;
  isRemade: boolean;
}

/** The net events that follow from the operations of one transaction, as texts in their order. */
function fold(operations: readonly Told[]): string[] {
  const lives = new Map<string, Life>();
  const result: Told[] = [];
  for (const event of operations) {
    const { kind, class: name, key, before, after } = event;
    if (kind === 'deleteAll') {
      let count = event.count ?? 0;
      for (const [id, life] of lives) {
        if (life.class !== name) continue;
        lives.delete(id);
        // What had been removed by itself is no victim, made again or not; what was made here was never there.
        const isGone = life.before !== undefined && (life.after === undefined || life.isRemade);
        if (isGone) result.push(...netOf({ ...life, after: undefined }));
        if (life.after !== undefined && (isGone || life.before === undefined)) count -= 1;
      }
      if (count > 0) result.push({ kind, class: name as string, count });
    } else {
      const id = `${name} ${String(key)}`;
      const fresh = { class: name as string, key, before, after: before, end: 'delete', isRemade: false };
      const life = lives.get(id) ?? fresh;
      if (life.before !== undefined && life.after === undefined && after !== undefined) life.isRemade = true;
      life.after = after;
      // Of what was removed and made again, the removal is told.
      if (kind === 'expire' && !life.isRemade) life.end = kind;
      lives.set(id, life);
    }
  }
  for (const life of lives.values()) result.push(...netOf(life));
  return result.map(inFull).sort();
}

function netOf({ before, after, end, isRemade, ...common }: Life): Told[] {
  const made = { kind: 'new', ...common, after };
  const removed = { kind: end, ...common, before };
  if (before === undefined) return after === undefined ? [] : [made];
  if (after === undefined) return [removed];
  if (isRemade) return [removed, made];
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  return [{ kind: 'update', ...common, before, after }];
}
