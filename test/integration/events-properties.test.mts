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
    seed: Number(process.env.EVENKEEL_SEED ?? Date.now() % 2 ** 31),
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
      { numRuns: 10 },
    );
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

  test('property 5: the operations of a transaction, folded, are its net events', async () => {
    await holds(async (work) => {
      const clock = new Clock();
      await using db = await shop(clock);
      const net = db.events.feed(classes);
      const each = db.events.feed(classes, { granularity: 'each' });
      for (const some of work) await perform(db, clock, some);
      const marker = await end(db);
      const folded: State = new Map();
      const direct: State = new Map();
      for (const event of await collect(each, marker)) apply(folded, event as AnyEvent);
      const seen = new Map<string, number>();
      for (const event of await collect(net, marker)) {
        apply(direct, event as AnyEvent);
        if (event.kind === 'deleteAll' || event.kind === 'expire' || !('key' in event)) continue;
        const name = `${event.transaction.seq} ${event.kind} ${nameOf(event.class, event.key)}`;
        seen.set(name, (seen.get(name) ?? 0) + 1);
      }
      assert.deepEqual(byName(folded), byName(direct));
      assert.ok(
        [...seen.values()].every((count) => count === 1),
        'a record is told of twice in one transaction',
      );
    });
  });
});
