// node prepared-holder.mjs <directory> <id>, forked: prepares the insert of an order, says "prepared", and commits or rolls
// back when it is told so.
import { connect } from '../../dist/index.mjs';

const [directory, id] = process.argv.slice(2);
const db = await connect(`embedded://${directory}`);
const order = db.classes.find((each) => each.name === 'Order');
const prepared = await db.prepare(
  (tx) => tx.records(order).insert({ id: Number(id), customer: 1, state: 1, note: '' }),
  { timeout: 60_000 },
);
process.on('message', async (told) => {
  await prepared[told]();
  process.send('done');
  await db.close();
  process.disconnect();
});
process.send('prepared');
