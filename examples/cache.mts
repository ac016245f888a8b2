// A cache in front of something slow: a class that reports expired pages, and plain keys with a time to live.
// node --import tsx examples/cache.mts
import { setTimeout as delay } from 'node:timers/promises';
import { connect, defineClass, field, onExpire } from 'evenkeel';

const Page = defineClass('Page', {
  key: 'url',
  fields: { url: field.string(), body: field.string() },
  events: [onExpire()],
  ttl: { age: 1, count: 2 }, // at most two pages, each for a second
});

// Without a directory the database ends with the connection, which is what a cache needs.
const db = await connect('embedded:', { classes: [Page] });
const pages = db.records(Page);

let fetched = 0;
async function slowly(url: string): Promise<string> {
  fetched += 1;
  await delay(20);
  return `the page at ${url}`;
}

async function page(url: string): Promise<string> {
  const cached = await pages.get(url);
  if (cached !== undefined) return cached.body;
  const body = await slowly(url);
  await pages.upsert({ url, body });
  return body;
}

// Removed pages produce events, so that data derived from them can be dropped too.
const left: string[] = [];
const subscription = await db.events.on(Page, ['expire'], (event) => {
  left.push(`${event.key} (${event.cause})`);
});

await page('/a');
await page('/a');
await page('/b');
console.log(`${fetched} fetched for three visits`);
await page('/c'); // one too many: the oldest is removed
await subscription.caughtUp();
console.log(`left: ${left.join(', ')}`);

// The same for values without a class: a time to live in seconds, as on memcached.
await db.upsert('greeting', 'hello', { ttl: 60 });
console.log(await db.get('greeting'));

// The sweeper removes expired records even if nobody writes.
while (left.length < 3) await delay(10);
console.log(`left by and by: ${left.slice(1).join(', ')}`);
await db.close();
