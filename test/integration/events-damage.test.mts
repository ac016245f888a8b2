// Bytes of durable subscriptions that this package has not written: each way to them is a StorageError that names them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorageError } from '../../lib/index.ts';
import { change, Directory } from './embedded.mts';
import { Order, open, order } from './events-shop.mts';

/** What may become of a note; without the braces it is none. */
const damages: Record<string, (note: Record<string, unknown>) => unknown> = {
  'an empty one': () => ({}),
  'another value': () => 5,
  'without a place': ({ place: _, ...note }) => note,
  'with another place': (note) => ({ ...note, place: { seq: 'x', index: null } }),
  'with another lease': (note) => ({ ...note, lease: { pid: 'x' } }),
  'with other tellings': (note) => ({ ...note, told: [[1]] }),
};

const damagedNote = (what: RegExp) => (error: unknown) =>
  error instanceof StorageError && what.test(error.message) && /damaged/.test(error.message);

/** Two durable subscriptions; one of them has parked three events. */
async function made(directory: Directory): Promise<void> {
  await using db = await open({}, directory.url);
  const onError = { outcome: 'park' } as const;
  const fail = (): void => {
    throw new Error('not now');
  };
  const parking = await db.events.durable('parking', Order, fail, { kinds: ['new'], onError });
  const other = await db.events.durable('other', Order, () => {}, { kinds: ['new'] });
  for (let id = 1; id <= 3; id += 1) await db.records(Order).insert(order(id));
  await parking.caughtUp();
  await other.caughtUp();
}

const changeNotes = (directory: Directory, prefix: string, work: (text: string) => string) =>
  change(directory, 'subscriptions', (bytes, key) =>
    key.toString().startsWith(prefix) ? Buffer.from(work(bytes.toString())) : undefined,
  );

for (const [what, damage] of [
  ...Object.entries(damages).map(
    ([name, become]) => [name, (text: string) => JSON.stringify(become(JSON.parse(text)))] as const,
  ),
  ['cut off', (text: string) => text.slice(0, 20)] as const,
])
  test(`the note of a durable subscription, ${what}, is named; others go on, and the name can be forgotten`, async () => {
    await using directory = await Directory.make();
    await made(directory);
    await changeNotes(directory, 'durable:parking', damage);
    await using db = await open({}, directory.url);
    const take = () => db.events.durable('parking', Order, () => {}, { kinds: ['new'] });
    await assert.rejects(take(), damagedNote(/durable subscription parking/));
    const other = await db.events.durable('other', Order, () => {}, { kinds: ['new'] });
    await db.records(Order).insert(order(4));
    await other.caughtUp();
    assert.equal(other.stats.delivered, 1);
    assert.equal(await db.events.forget('parking'), true);
    const again = await take();
    assert.deepEqual(again.parked(), []);
  });

for (const [what, damage] of Object.entries({
  'cut off': (text: string) => text.slice(0, 20),
  'an empty one': () => '{}',
  'with other bytes': (text: string) => JSON.stringify({ ...JSON.parse(text), data: 'AAAA' }),
  'with other bytes as its event': (text: string) =>
    JSON.stringify({ ...JSON.parse(text), isEvent: true, data: 'AAAA' }),
  'with other bytes as its record': (text: string) =>
    JSON.stringify({ ...JSON.parse(text), kind: 'snapshot', data: 'AAAA' }),
}))
  test(`a parked event, ${what}, is named; those beside it are replayed`, async () => {
    await using directory = await Directory.make();
    await made(directory);
    let isFirst = true;
    await changeNotes(directory, 'parked:parking:', (text) => {
      const changed = isFirst ? damage(text) : text;
      isFirst = false;
      return changed;
    });
    await using db = await open({}, directory.url);
    const keys: unknown[] = [];
    const told = (event: { readonly kind: string; readonly key?: unknown }): void =>
      void keys.push(event.key);
    const subscription = await db.events.durable('parking', Order, told, { kinds: ['new'] });
    assert.throws(() => subscription.parked(), damagedNote(/parked event .* durable subscription parking/));
    await assert.rejects(
      subscription.replayParked(),
      damagedNote(/parked event .* durable subscription parking/),
    );
    assert.deepEqual(keys, [2, 3]);
    await db.records(Order).insert(order(4));
    await subscription.caughtUp();
    assert.deepEqual(keys, [2, 3, 4]);
  });

test('the note of a subscription that is held ends it, instead of being waited for', async () => {
  await using directory = await Directory.make();
  await using db = await open({}, directory.url);
  const subscription = await db.events.durable('held', Order, () => {}, { kinds: ['new'] });
  const { closed } = subscription;
  await changeNotes(directory, 'durable:held', () => '{}');
  await db.records(Order).insert(order(1));
  await assert.rejects(closed, damagedNote(/durable subscription held/));
});
