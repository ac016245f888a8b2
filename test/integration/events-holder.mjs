// node events-holder.mjs <directory> <name>, forked: holds a durable subscription, says each key, and hangs on the third.
import { connect } from '../../dist/index.mjs';

const [directory, name] = process.argv.slice(2);
const db = await connect(`embedded://${directory}`);
const order = db.classes.find((each) => each.name === 'Order');
const handler = async (event) => {
  if (event.kind !== 'new') return;
  process.send(event.key);
  if (event.key % 3 === 0) await new Promise(() => {});
};
await db.events.durable(name, order, handler, { from: 'beginning' });
process.send('live');
