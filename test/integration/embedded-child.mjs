// node embedded-child.mjs <what> <directory> …: a process of its own for what may end one, or has to.
import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { connect, defineClass, field, onNew } from '../../dist/index.mjs';

const [what, directory, argument] = process.argv.slice(2);
const Item = defineClass('Item', {
  key: 'id',
  fields: { id: field.uint32(), text: field.string() },
  events: [onNew()],
});
const say = (text) => writeSync(1, `${text}\n`);
const open = (options) => connect(`embedded://${directory}`, { classes: [Item], ...options });

const parts = {
  /** Opens, reads everything, writes one. */
  async open() {
    const db = await open();
    say(`items ${await db.records(Item).find().count()}`);
    await db.records(Item).upsert({ id: 0, text: 'changed' });
    await db.close();
  },
  async user() {
    process.setuid(65534);
    await open();
  },
  /** Writes until the disk is full; what was acknowledged has to be there. */
  async fill() {
    const db = await open();
    let id = 0;
    for (;;) {
      try {
        await db.records(Item).insert({ id, text: 'x'.repeat(5000) });
        id += 1;
      } catch (error) {
        say(`${error.code} ${id} ${await db.records(Item).find().count()}`);
        break;
      }
    }
    await db.close();
  },
  async exit() {
    const db = await open();
    for (let id = 0; id < 100_000; id += 1)
      db.records(Item)
        .insert({ id, text: 'x' })
        .catch(() => {});
    if (argument === 'soon') await new Promise((resolve) => setTimeout(resolve, 30));
    process.exit(0);
  },
  /** Two databases that end with it: one is closed, one is not. */
  async temporary() {
    for (const isClosed of [true, false]) {
      const db = await connect('embedded:');
      await db.upsert('k', 1);
      if (isClosed) await db.close();
    }
  },
  async idle() {
    await db_(open());
  },
  async live() {
    const db = await open();
    db.events.feed(Item);
    setTimeout(() => say('alive'), 50).unref();
    setTimeout(() => process.exit(0), 150).unref();
  },
  /** Ends workers in the middle of their writes. */
  async terminate() {
    for (let round = 0; round < Number(argument); round += 1) {
      const worker = new Worker(new URL(import.meta.url), { argv: ['work', directory, String(round)] });
      await new Promise((resolve) => worker.once('message', resolve));
      await new Promise((resolve) => setTimeout(resolve, round % 7));
      await worker.terminate();
    }
    const db = await open();
    say(`items ${(await db.records(Item).find().count()) > 0}`);
    await db.close();
  },
  async work() {
    const { parentPort } = await import('node:worker_threads');
    const db = await open();
    await db.events.on(Item, ['new'], () => {});
    const base = 1_000_000 * (Number(argument) + 1);
    for (let id = 0; ; id += 64) {
      await Promise.all(
        Array.from({ length: 64 }, (_each, i) => db.records(Item).insert({ id: base + id + i, text: 'x' })),
      );
      if (id === 0) parentPort.postMessage('busy');
    }
  },
  /** Writes as many as it is told, ids of its own. */
  async write() {
    const db = await open();
    const base = 1_000_000 * Number(argument);
    for (let id = 0; id < 500; id += 10) {
      await Promise.all(
        Array.from({ length: 10 }, (_each, i) => db.records(Item).insert({ id: base + id + i, text: 'x' })),
      );
    }
    await db.close();
  },
};

async function db_(opened) {
  const db = await opened;
  await db.records(Item).upsert({ id: 1, text: 'idle' });
}

await parts[what]();
