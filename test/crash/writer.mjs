// node writer.mjs <directory> <seed> <run>: writes until it is killed, and says on stdout what has been acknowledged.
import { writeSync } from 'node:fs';
import { connect } from '../../dist/index.mjs';
import { ACCOUNTS, Account, applyEffects, classes, Entry, Note, START } from './classes.mjs';

const [directory, seed, run] = process.argv.slice(2);
let state = Number(seed) >>> 0;
const random = (below) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};

const db = await connect(`embedded://${directory}`, { classes });
await db.transaction(async (tx) => {
  const accounts = tx.records(Account);
  if (await accounts.exists(0)) return;
  for (let id = 0; id < ACCOUNTS; id += 1) await accounts.insert({ id, balance: START });
});
await applyEffects(db);
writeSync(1, 'ready\n');

let started = 0;
async function work() {
  for (;;) {
    started += 1;
    const id = `${run}.${started}`;
    const kind = random(10);
    if (kind === 0) {
      await db.upsert(`plain:${id}`, id);
      writeSync(1, `plain ${id}\n`);
      continue;
    }
    const [from, to, amount, note] = [random(ACCOUNTS), random(ACCOUNTS), random(50), random(100)];
    const transfer = async (tx) => {
      await tx.records(Entry).insert({ id, text: 'x'.repeat(random(200)) });
      const accounts = tx.records(Account);
      if (from !== to) {
        await accounts.update(from, { balance: (await accounts.get(from)).balance - amount });
        await accounts.update(to, { balance: (await accounts.get(to)).balance + amount });
      }
      const notes = tx.records(Note);
      if (kind === 1) await notes.deleteAll();
      else if (kind < 4) await notes.remove(note);
      else await notes.upsert({ id: note, text: id });
    };
    if (kind < 8) {
      await db.transaction(transfer, { retries: 1000 });
    } else {
      const prepared = await db.prepare(transfer, { retries: 1000 });
      if (random(3) === 0) {
        await prepared.rollback();
        writeSync(1, `nothing ${id}\n`);
        continue;
      }
      await prepared.commit();
    }
    writeSync(1, `entry ${id}\n`);
  }
}
await Promise.all(Array.from({ length: 8 }, work));
