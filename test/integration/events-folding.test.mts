// What the views of one history have to do with each other, for random transactions. A failure names its seed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import {
  connect,
  type Database,
  defineClass,
  type EventOf,
  type Feed,
  field,
  OverflowError,
  onDelete,
  onDeleteAll,
  onExpire,
  onFieldUpdate,
  onNew,
  onUpdate,
  type Transaction,
} from '../../lib/index.ts';

const events = [onNew(), onUpdate(), onFieldUpdate('value'), onDelete(), onDeleteAll(), onExpire()] as const;
const fields = { id: field.uint32(), value: field.uint32(), note: field.optional(field.string()) };
const Kept = defineClass('Kept', { key: 'id', fields, events });
const Aging = defineClass('Aging', { key: 'id', fields, events, ttl: { age: 5, count: 6 } });
const End = defineClass('End', { key: 'id', fields: { id: field.autoid() }, events: [onNew()] });
const classes = [Kept, Aging, End] as const;
const told = [Kept, Aging] as const;
type Told = (typeof told)[number];
type Event = EventOf<Told>;
type Shop = Database<typeof classes>;

const className = fc.constantFrom('Kept' as const, 'Aging' as const);
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        op: fc.constant('upsert' as const),
        of: className,
        id: fc.nat(9),
        value: fc.nat(2),
        note: fc.constantFrom(undefined, 'a', 'b'),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        op: fc.constant('remove' as const),
        of: className,
        id: fc.nat(9),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ op: fc.constant('deleteAll' as const), of: className }),
    },
  ),
  { minLength: 1, maxLength: 10 },
);
const history = fc.array(
  fc.record({ steps, fate: fc.constantFrom('commit', 'commit', 'commit', 'rollback'), pause: fc.nat(3) }),
  { minLength: 1, maxLength: 12 },
);
type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

class Rollback extends Error {}

interface Site {
  readonly db: Shop;
  /** Does all of it; resolves to the number of the marker behind it. */
  perform(work: History): Promise<bigint>;
}

async function site(retention?: { readonly maxBytes: number }): Promise<Site> {
  let time = Date.UTC(2030, 0, 1);
  const db = await connect('embedded:', {
    classes,
    clock: () => time,
    sweeper: false,
    ...(retention && { retention }),
  });
  const make = async (tx: Transaction, work: History[number]): Promise<void> => {
    for (const each of work.steps) {
      const records = tx.records<Told>(each.of === 'Kept' ? Kept : Aging);
      if (each.op === 'deleteAll') await records.deleteAll();
      else if (each.op === 'remove') await records.remove(each.id);
      else {
        const { id, value, note } = each;
        await records.upsert({ id, value, ...(note !== undefined && { note }) });
      }
    }
    if (work.fate === 'rollback') throw new Rollback();
  };
  return {
    db,
    async perform(work) {
      for (const each of work) {
        time += each.pause * 1000;
        await db
          .transaction((tx) => make(tx, each))
          .catch((error: unknown) => {
            if (!(error instanceof Rollback)) throw error;
          });
      }
      return (await db.records(End).insert({})).id;
    },
  };
}

/** What is told up to the marker. */
async function upTo<E>(feed: Feed<E>, marker: bigint): Promise<E[]> {
  const all: E[] = [];
  for await (const event of feed) {
    const { class: name, key } = event as { readonly class?: string; readonly key?: unknown };
    if (name !== 'End') all.push(event);
    else if (key === marker) break;
  }
  return all;
}

/** Runs the property; a failure is reported with its seed. */
async function holds(property: (work: History) => Promise<void>, numRuns = 80): Promise<void> {
  await fc.assert(fc.asyncProperty(history, property), {
    numRuns,
    seed: Number(process.env.EVENKEEL_SEED ?? Date.now() % 2 ** 31),
  });
}

type Image = Readonly<Record<string, unknown>>;
interface Life {
  readonly before: Image | undefined;
  after: Image | undefined;
  end?: { readonly kind: string; readonly cause: unknown };
}

/** The operations of one transaction as what came of them, in no order. */
function fold(operations: readonly Event[]): unknown[] {
  const lives = new Map<string, Life[]>();
  const results: unknown[] = [];
  const of = (event: Event & { readonly key: unknown }): Life[] => {
    const name = `${event.class} ${event.key}`;
    const found = lives.get(name) ?? [];
    lives.set(name, found);
    return found;
  };
  for (const event of operations) {
    if (event.kind === 'fieldUpdate') continue;
    if (event.kind === 'deleteAll') {
      // What is gone already stays so; what is there goes with it, and what was done to it before.
      let { count } = event;
      for (const [name, each] of lives) {
        if (!name.startsWith(`${event.class} `)) continue;
        const last = each.at(-1);
        if (last === undefined || last.end !== undefined) continue;
        if (last.before === undefined) count -= 1; // nobody has heard of it
        each.pop();
      }
      if (count > 0) results.push({ kind: 'deleteAll', class: event.class, count });
      continue;
    }
    const each = of(event);
    const last = each.at(-1);
    const current = last?.end === undefined ? last : undefined;
    if (event.kind === 'new') each.push({ before: undefined, after: event.after });
    else if (event.kind === 'update') {
      if (current === undefined) each.push({ before: event.before, after: event.after });
      else current.after = event.after;
    } else {
      const end = { kind: event.kind, cause: event.cause };
      if (current === undefined) each.push({ before: event.before, after: undefined, end });
      else if (current.before === undefined) each.pop();
      else Object.assign(current, { after: undefined, end });
    }
  }
  for (const [name, each] of lives) {
    for (const { before, after, end } of each) {
      if (end !== undefined) results.push({ ...end, name, before });
      else if (before === undefined) results.push({ kind: 'new', name, after });
      else {
        const changed = ['id', 'value', 'note'].filter((each) => before[each] !== after?.[each]);
        if (changed.length > 0) results.push({ kind: 'update', name, before, after, changed });
        if (changed.includes('value'))
          results.push({ kind: 'fieldUpdate', name, before: before.value, after: after?.value });
      }
    }
  }
  return results;
}

/** An event in the words of fold(). */
function plain(event: Event): unknown {
  if (event.kind === 'deleteAll') return { kind: event.kind, class: event.class, count: event.count };
  const { kind, before, after } = event;
  const name = `${event.class} ${event.key}`;
  if (kind === 'new') return { kind, name, after };
  if (kind === 'update') return { kind, name, before, after, changed: event.changed };
  if (kind === 'fieldUpdate') return { kind, name, before, after };
  return { kind, cause: event.cause, name, before };
}

function byTransaction<E extends Event>(all: readonly E[]): Map<bigint, E[]> {
  const groups = new Map<bigint, E[]>();
  for (const event of all) {
    const { seq } = event.transaction;
    groups.set(seq, [...(groups.get(seq) ?? []), event]);
  }
  return groups;
}

/** The same things, in whatever order. */
function assertSame(actual: readonly unknown[], expected: readonly unknown[]): void {
  const left = [...expected];
  for (const each of actual) {
    const at = left.findIndex((other) => isDeepStrictEqual(each, other));
    if (at < 0) assert.deepEqual(actual, expected);
    left.splice(at, 1);
  }
  if (left.length > 0) assert.deepEqual(actual, expected);
}

describe('whatever is done to a database', () => {
  test('property 5: each operation, folded by the rules, gives exactly the net events', async () => {
    await holds(async (work) => {
      const { db, perform } = await site();
      const net = db.events.feed(classes);
      const each = db.events.feed(classes, { granularity: 'each' });
      const marker = await perform(work);
      const groups = byTransaction((await upTo(each, marker)) as Event[]);
      const results = byTransaction((await upTo(net, marker)) as Event[]);
      for (const [seq, operations] of groups)
        assertSame((results.get(seq) ?? []).map(plain), fold(operations));
      for (const seq of results.keys()) assert.ok(groups.has(seq));
      await db.close();
    });
  });

  test('property 2: latest and error lose nothing without saying so', async () => {
    await holds(async (work) => {
      const { db, perform } = await site();
      const all = db.events.feed(classes);
      const latest = db.events.feed(told, { overflow: 'latest', queue: 3 });
      const start = db.events.position;
      const marker = await perform(work);
      const expected = (await upTo(all, marker)) as Event[];

      let count = 0;
      while (count < expected.length) count += (await latest.next()).value?.coalesced ?? 0;
      assert.equal(count, expected.length);
      latest.close();

      const positions: string[] = [];
      for (let from = start; positions.length < expected.length; ) {
        const feed = db.events.feed(told, { from, overflow: 'error', queue: 2 });
        try {
          while (positions.length < expected.length) {
            positions.push((await feed.next()).value?.position ?? '');
            from = feed.position;
          }
        } catch (error) {
          assert.ok(error instanceof OverflowError);
          assert.equal(error.context.resumeFrom, from);
          // What waits is more than may: it is read without a limit, once, and then again with one.
          const rest = db.events.feed(told, { from });
          positions.push((await rest.next()).value?.position ?? '');
          from = rest.position;
          rest.close();
        }
        feed.close();
      }
      assert.deepEqual(
        positions,
        expected.map(({ position }) => position),
      );
      await db.close();
    });
  });

  test('property 3: a durable subscription that fails and is begun anew misses nothing, and says what it repeats', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.infiniteStream(fc.nat(4)), async (work, chances) => {
        const { db, perform } = await site();
        const all = db.events.feed(classes);
        const first: string[] = [];
        const seen = new Set<string>();
        const hold = () =>
          db.events.durable('name', told, ({ position, redelivered, attempt }) => {
            const isNew = !seen.has(position);
            assert.ok(isNew || redelivered, 'it is not said that it was told before');
            assert.equal(redelivered, attempt > 1);
            if (isNew) first.push(position);
            seen.add(position);
            if (chances.next().value === 0) throw new Error('by chance');
          });
        const empty = await hold();
        await empty.close();
        await empty.closed;
        const marker = await perform(work);
        const expected = (await upTo(all, marker)) as Event[];
        for (let isDone = false; !isDone; ) {
          const subscription = await hold();
          isDone = await subscription.caughtUp().then(
            () => true,
            (error) => {
              assert.equal(error.message, 'by chance');
              return false;
            },
          );
          await subscription.close();
          await subscription.closed.catch(() => {});
        }
        assert.deepEqual(
          first,
          expected.map(({ position }) => position),
        );
        await db.close();
      }),
      { numRuns: 40, seed: Number(process.env.EVENKEEL_SEED ?? Date.now() % 2 ** 31) },
    );
  });

  test('property 3: everything from an event on is what comes from its position', async () => {
    await holds(async (work) => {
      const { db, perform } = await site();
      for (const granularity of ['net', 'each'] as const) {
        const all = db.events.feed(classes, { granularity });
        const marker = await perform(work);
        const expected = (await upTo(all, marker)) as Event[];
        const step = Math.max(1, expected.length >> 3);
        for (let at = 0; at < expected.length; at += step) {
          const from: string = expected[at]?.position ?? '';
          const rest = (await upTo(db.events.feed(classes, { granularity, from }), marker)) as Event[];
          assert.deepEqual(rest.map(plain), expected.slice(at + 1).map(plain));
        }
      }
      await db.close();
    }, 40);
  });
});
