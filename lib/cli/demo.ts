import type { Command } from 'commander';
import { redactUrl } from '../cluster/connection-string';
import {
  connect,
  type Database,
  defineClass,
  type EventOf,
  field,
  InvalidArgumentError,
  index,
  onDeleteAll,
  onExpire,
  onFieldUpdate,
  onNew,
  type RecordOf,
} from '../index';
import { delay } from '../platform';
import { Random } from '../workload/random';
import { Ending } from './ending';

const Sensor = defineClass('Sensor', {
  key: 'name',
  fields: {
    name: field.string(),
    room: field.string(),
    state: field.enumeration('ok', 'hot'),
    last: field.optional(field.float64()),
  },
  indexes: { byState: index('state') },
  events: [onNew(), onFieldUpdate('state')],
});

/** Readings are kept for a second, so that some expire while the demo runs. */
const Reading = defineClass('Reading', {
  key: 'id',
  fields: { id: field.autoid(), sensor: field.string(), celsius: field.float64(), at: field.datetime() },
  indexes: { bySensor: index('sensor', 'at') },
  events: [onNew(), onExpire(), onDeleteAll()],
  ttl: { age: 1 },
});

const ROOMS = ['attic', 'cellar', 'kitchen'];
const HOT = 25;
const ROUNDS = 12;
const PAUSE_MS = 130;
const SEED = 2;
const TEMPORARY = 'embedded:';

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('run a small application on an embedded database and show its events as they come')
    .argument('[url]', 'embedded:///directory (default: a temporary database)')
    .action(demo);
}

async function demo(url = TEMPORARY): Promise<void> {
  if (!url.startsWith('embedded:'))
    throw new InvalidArgumentError(
      `the demo is of the embedded engine: embedded:///directory, not ${redactUrl(url)}`,
    );
  const ending = new Ending(() => {});
  const db = await connect(url as `embedded:${string}`, { classes: [Sensor, Reading] });
  try {
    await ending.print(introduction(url));
    const subscription = await db.events.on(
      [Sensor, Reading],
      ['new', 'fieldUpdate:state', 'expire', 'deleteAll'],
      (event) => ending.print(`${line(event)}\n`),
    );
    await measureAll(db, ending);
    if (ending.seen) return;
    const hot = await db.records(Sensor).find({ index: 'byState', equals: 'hot' }).all();
    const kept = await db.records(Reading).deleteAll();
    await subscription.caughtUp(); // all commits have been printed
    const names = hot.map((each) => each.name).join(', ') || 'none';
    await ending.print(`\nHot at the end, by the index of states: ${names}.\n`);
    await ending.print(`${kept} of ${ROUNDS} readings had not expired; they went at once, with one event.\n`);
    if (url !== TEMPORARY)
      await ending.print(`All of it can be had again: evenkeel watch ${url} --from beginning\n`);
  } finally {
    ending.close();
    await db.close();
  }
}

/** Each round is one transaction: a reading, and the resulting state of its sensor. */
async function measureAll(
  db: Database<readonly [typeof Sensor, typeof Reading]>,
  ending: Ending,
): Promise<void> {
  const random = new Random(SEED);
  const fraction = (): number => random.uint32() / 2 ** 32;
  await db.transaction(async (tx) => {
    for (const room of ROOMS) await tx.records(Sensor).upsert({ name: `${room}-1`, room, state: 'ok' });
  });
  for (let round = 0; round < ROUNDS && !ending.seen; round += 1) {
    const name = `${ROOMS[Math.floor(fraction() * ROOMS.length)]}-1`;
    const celsius = Math.round((18 + fraction() * 12) * 10) / 10;
    await db.transaction(async (tx) => {
      await tx.records(Reading).insert({ sensor: name, celsius, at: new Date() });
      await tx.records(Sensor).update(name, { last: celsius, state: celsius > HOT ? 'hot' : 'ok' });
    });
    await delay(PAUSE_MS);
  }
}

function introduction(url: string): string {
  return [
    `Three sensors on ${url === TEMPORARY ? 'a temporary database' : url}. A round is one transaction: it stores a`,
    `reading and brings its sensor up to date. A sensor is hot above ${HOT} °C; a reading stays for a second.`,
    'Below are the events as they come, each after its transaction was committed.',
    '',
    '',
  ].join('\n');
}

function line(event: Told): string {
  const number = String(event.transaction.seq).padStart(2);
  return `transaction ${number}  ${event.class.padEnd(7)} ${event.kind.padEnd(11)} ${said(event)}`;
}

type Told = EventOf<typeof Sensor> | EventOf<typeof Reading>;

function said(event: Told): string {
  switch (event.kind) {
    case 'new':
      return 'sensor' in event.after ? reading(event.after) : event.after.name;
    case 'fieldUpdate':
      return `${event.key} was ${event.before}, is ${event.after}`;
    case 'expire':
      return `${reading(event.before)}, ${event.cause}`;
    case 'deleteAll':
      return `${event.count} readings`;
  }
}

function reading({ sensor, celsius }: RecordOf<typeof Reading>): string {
  return `${sensor} ${celsius} °C`;
}
