// node delete-all-listener.mjs <directory>, forked: tells what it is told, until it has been told of five records.
import { connect } from '../../dist/index.mjs';

const db = await connect(`embedded://${process.argv[2]}`);
const [order] = db.classes;
let victims = 0;
await new Promise((resolve) => {
  const told = (event) => {
    process.send(event.kind);
    if (event.kind === 'delete') victims += 1;
    if (victims === 5) resolve();
  };
  db.events
    .on(order, ['delete', 'deleteAll'], told, { expandDeleteAll: true })
    .then(() => process.send('live'));
});
await db.close();
process.disconnect();
