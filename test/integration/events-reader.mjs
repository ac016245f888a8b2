// node events-reader.mjs <directory> <count>, forked: says "live", then the positions of as many events as it is told.
import { connect } from '../../dist/index.mjs';

const [directory, count] = process.argv.slice(2);
const db = await connect(`embedded://${directory}`);
const order = db.classes.find((each) => each.name === 'Order');
const feed = db.events.feed(order, { kinds: ['new'] });
process.send('live');
const seen = [];
for await (const event of feed) {
  if (process.argv[4] === 'echo')
    process.send({ key: event.key, at: performance.timeOrigin + performance.now() });
  seen.push(`${event.position} ${event.key}`);
  if (seen.length === Number(count)) break;
}
process.send(seen);
await db.close();
process.disconnect();
