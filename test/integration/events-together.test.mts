import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DurableEventOf } from '../../lib/index.ts';
import { Directory, Order, open, order } from './events-shop.mts';

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

test('scenario 43: who writes and subscribes sees the same as who only does one of them, in every form', async () => {
  await using directory = await Directory.make();
  const db = await open({}, directory.url);
  const count = 1000;
  const reader = fork(script('events-reader.mjs'), [directory.path, String(2 * count)], { execArgv: [] });
  await once(reader, 'message');
  const elsewhere = once(reader, 'message');

  const feed = db.events.feed(Order, { kinds: ['new'] });
  db.events.listen('orderNew');
  const told: string[] = [];
  const handled = await db.events.on(Order, 'new', ({ key }) => void told.push(String(key)));
  const durable: string[] = [];
  const keep = (event: DurableEventOf<typeof Order>): void => {
    if (event.kind === 'new') durable.push(String(event.key));
  };
  const held = await db.events.durable('name', Order, keep, { kinds: ['new'] });

  const writer = fork(script('events-writer.mjs'), [directory.path, '1', String(count)], { execArgv: [] });
  const written = once(writer, 'exit');
  for (let id = 0; id < count; id += 8)
    await Promise.all(Array.from({ length: 8 }, (_each, i) => db.records(Order).insert(order(id + i))));
  assert.deepEqual(await written, [0, null]);

  const here: string[] = [];
  const waited: string[] = [];
  while (here.length < 2 * count) {
    const { value } = await feed.next();
    here.push(`${value?.position} ${value?.key}`);
    const result = await db.events.wait('orderNew');
    if (result.status === 'event') waited.push(String(result.event.key));
  }
  await handled.caughtUp();
  await held.caughtUp();
  const [there] = await elsewhere;
  assert.deepEqual(here, there);
  const keys = here.map((each) => each.split(' ')[1]);
  assert.equal(new Set(keys).size, 2 * count);
  for (const each of [told, durable, waited]) assert.deepEqual(each, keys);
  feed.close();
  await db.close();
});
