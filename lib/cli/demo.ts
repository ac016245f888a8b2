import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import {
  connect,
  defineClass,
  type EventOf,
  field,
  index,
  onDeleteAll,
  onExpire,
  onFieldUpdate,
  onNew,
  type RecordOf,
} from '../index';
import { Random } from '../workload/random';

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

/** Readings are kept for a second, so that some expire while one looks on. */
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

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('run a small application on an embedded database and show its events as they come')
    .argument('[url]', 'embedded:///directory (default: a temporary database)')
    .action(demo);
}

async function demo(url = 'embedded:'): Promise<void> {
  const random = new Random(7);
  const fraction = (): number => random.uint32() / 2 ** 32;
  const db = await connect(url as `embedded:${string}`, { classes: [Sensor, Reading] });
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  print(
    `Three sensors on ${url === 'embedded:' ? 'a temporary database' : url}: each round is one transaction.\n`,
  );

  const subscription = await db.events.on(
    [Sensor, Reading],
    ['new', 'fieldUpdate:state', 'expire', 'deleteAll'],
    (event) => {
      const number = String(event.transaction.seq).padStart(2);
      print(`transaction ${number}  ${event.class.padEnd(7)} ${event.kind.padEnd(11)} ${said(event)}`);
    },
  );

  await db.transaction(async (tx) => {
    for (const room of ROOMS) await tx.records(Sensor).upsert({ name: `${room}-1`, room, state: 'ok' });
  });
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `${ROOMS[Math.floor(fraction() * ROOMS.length)]}-1`;
    const celsius = Math.round((18 + fraction() * 12) * 10) / 10;
    await db.transaction(async (tx) => {
      await tx.records(Reading).insert({ sensor: name, celsius, at: new Date() });
      await tx.records(Sensor).update(name, { last: celsius, state: celsius > HOT ? 'hot' : 'ok' });
    });
    await delay(PAUSE_MS);
  }
  const hot = await db.records(Sensor).find({ index: 'byState', equals: 'hot' }).all();
  const kept = await db.records(Reading).find().count();
  await db.records(Reading).deleteAll();
  await subscription.caughtUp();
  print(
    `\n${hot.length} of ${ROOMS.length} sensors were hot at the end: ${hot.map((each) => each.name).join(', ') || 'none'}.`,
  );
  print(`${kept} of ${ROUNDS} readings had not expired; they went at once, with one event.`);
  await db.close();
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
