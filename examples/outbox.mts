// The outbox pattern: an order and its message are one commit, and each message takes effect once, even if the program is
// interrupted. node --import tsx examples/outbox.mts
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type Database, defineClass, field, onNew } from 'evenkeel';

const Order = defineClass('Order', {
  key: 'id',
  fields: { id: field.uint32(), customer: field.string(), cents: field.uint32() },
});
const Message = defineClass('Message', {
  key: 'id',
  fields: { id: field.autoid(), text: field.string() },
  events: [onNew()],
});
/** The effect of the messages: here a sum in the same database. */
const Account = defineClass('Account', {
  key: 'name',
  fields: { name: field.string(), messages: field.uint32() },
});

const classes = [Order, Message, Account] as const;
type Shop = Database<typeof classes>;

async function place(db: Shop, id: number, customer: string, cents: number): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.records(Order).insert({ id, customer, cents });
    await tx.records(Message).insert({ text: `order ${id} of ${customer}: ${cents} cents` });
  });
}

/** Processes the messages in the outbox; `failAt` is where the power fails. */
async function work(db: Shop, failAt: bigint | undefined): Promise<void> {
  const subscription = await db.events.durable(
    'mailer',
    Message,
    async (event) => {
      if (event.kind !== 'new') return;
      await db.transaction(async (tx) => {
        const accounts = tx.records(Account);
        const { messages } = (await accounts.get('sent')) ?? { messages: 0 };
        await accounts.upsert({ name: 'sent', messages: messages + 1 });
        // The effect and the acknowledgement are one commit: a crash cannot separate them.
        await event.ack(tx);
        if (event.key === failAt) throw new Error('the power went');
      });
      console.log(`${event.redelivered ? 'again: ' : ''}${event.after.text}`);
    },
    { from: 'beginning', ack: 'manual' },
  );
  await subscription.caughtUp().catch((error: Error) => console.log(`stopped: ${error.message}`));
  await subscription.close();
  await subscription.closed.catch(() => {});
}

const directory = await mkdtemp(path.join(tmpdir(), 'outbox-'));
const db = await connect(`embedded://${directory}`, { classes });
await place(db, 1, 'Ada', 1200);
await place(db, 2, 'Grace', 800);
await place(db, 3, 'Edsger', 450);
await work(db, 2n);
await db.close();

const again = await connect(`embedded://${directory}`, { classes });
await work(again, undefined);
console.log(`${(await again.records(Account).get('sent'))?.messages} messages had their effect`);
await again.close();
await rm(directory, { recursive: true });
