// node events-implicit-writer.mjs <directory>, forked: opens it as it is and inserts a thing for each number it is told;
// says "open", then how each write ended. A text has it opened again, with that as its option `events`.
import { connect } from '../../dist/index.mjs';

const open = (events) => connect(`embedded://${process.argv[2]}`, { events });
let db = await open();
process.send('open');
process.on('message', async (told) => {
  if (typeof told === 'string') {
    await db.close();
    db = await open(told === 'implicit' ? told : undefined);
    process.send('open');
  } else {
    const [thing] = db.classes;
    process.send(
      await db
        .records(thing)
        .insert({ id: told, name: 'elsewhere', tags: [] })
        .then(
          () => 'written',
          ({ code }) => code,
        ),
    );
  }
});
