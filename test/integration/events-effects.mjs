// node events-effects.mjs <directory>, forked: makes an effect of each order, acknowledged in the same transaction; says each.
import { connect } from '../../dist/index.mjs';

const db = await connect(`embedded://${process.argv[2]}`);
const [order, effect] = ['Order', 'Effect'].map((name) => db.classes.find((each) => each.name === name));
const handler = async (event) => {
  const { key } = event;
  await db.transaction(async (tx) => {
    await tx.records(effect).insert({ of: key });
    await event.ack(tx);
  });
  process.send(key);
};
await db.events.durable('effects', order, handler, { kinds: ['new'], from: 'beginning', ack: 'manual' });
process.send('live');
