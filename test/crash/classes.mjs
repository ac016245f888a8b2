// What the processes that are killed and the one that looks at what they left agree upon. JavaScript, because a process
// that is to live for a tenth of a second has no time for a compiler.
import { defineClass, field, index, onDelete, onDeleteAll, onNew, onUpdate } from '../../dist/index.mjs';

/** Money that is moved: its sum never changes. */
export const Account = defineClass('Account', {
  key: 'id',
  fields: { id: field.uint32(), balance: field.int32() },
  indexes: { byBalance: index('balance') },
  events: [onNew(), onUpdate(), onDelete(), onDeleteAll()],
});

/** What the writer has done, a record for each transaction. */
export const Entry = defineClass('Entry', {
  key: 'id',
  fields: { id: field.string(), text: field.string() },
  events: [onNew()],
});

/** What came of it elsewhere: one for each entry, written with its acknowledgement. */
export const Effect = defineClass('Effect', {
  key: 'id',
  fields: { id: field.string() },
});

/** Comes and goes as a whole. */
export const Note = defineClass('Note', {
  key: 'id',
  fields: { id: field.uint32(), text: field.string() },
  events: [onNew(), onUpdate(), onDelete(), onDeleteAll()],
  ttl: { count: 50 },
});

export const classes = [Account, Entry, Effect, Note];
export const ACCOUNTS = 20;
export const START = 1000;

/** Applies what an entry means to whoever has not done it yet, exactly once: with the acknowledgement. */
export function applyEffects(db) {
  return db.events.durable(
    'effects',
    Entry,
    (event) =>
      db.transaction(async (tx) => {
        await tx.records(Effect).insert({ id: event.key });
        await event.ack(tx);
      }),
    { from: 'beginning', ack: 'manual' },
  );
}
