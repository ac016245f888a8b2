// node events-writer.mjs <directory> <name> <count>: commits as many orders, one by one, as of its name.
import { connect } from '../../dist/index.mjs';

const [directory, name, count] = process.argv.slice(2);
const db = await connect(`embedded://${directory}`);
const order = db.classes.find((each) => each.name === 'Order');
const first = Number(name) * 1_000_000;
for (let i = 0; i < Number(count); i += 8) {
  const some = Array.from({ length: 8 }, (_each, k) => first + i + k);
  await Promise.all(
    some.map((id) => db.records(order).insert({ id, customer: Number(name), state: 0, note: '' })),
  );
}
await db.close();
