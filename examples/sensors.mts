// Sensor readings in one directory: classes, transactions, field updates, a wait. node --import tsx examples/sensors.mts
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, defineClass, field, index, onFieldUpdate, onNew } from 'evenkeel';

const Sensor = defineClass('Sensor', {
  key: 'name',
  fields: {
    name: field.string(),
    state: field.enumeration('ok', 'hot'),
    last: field.optional(field.float64()),
  },
  // Only declared events are reported: here changes of the state, but not of `last`.
  events: [onFieldUpdate('state', 'sensorState')],
});
const Reading = defineClass('Reading', {
  key: 'id',
  fields: { id: field.autoid(), sensor: field.string(), celsius: field.float64(), at: field.datetime() },
  indexes: { bySensor: index('sensor', 'at') },
  events: [onNew()],
  ttl: { count: 1000 }, // the newest thousand are enough
});

const directory = await mkdtemp(path.join(tmpdir(), 'sensors-'));
const db = await connect(`embedded://${directory}`, { classes: [Sensor, Reading] });
await db.records(Sensor).insert({ name: 'boiler', state: 'ok' });

// The subscription is live once the call has resolved: nothing committed after that is missed.
const alarms = await db.events.on(Sensor, ['fieldUpdate:state'], (event) => {
  console.log(`${event.key}: ${event.before} -> ${event.after}`);
});

/** A reading and the state of its sensor belong together: both are stored, or neither. */
async function measured(sensor: string, celsius: number): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.records(Reading).insert({ sensor, celsius, at: new Date() });
    await tx.records(Sensor).update(sensor, { last: celsius, state: celsius > 80 ? 'hot' : 'ok' });
  });
}

const firstAlarm = db.events.wait('sensorState', { timeout: 5000 });
for (const celsius of [61.5, 79.9, 83.2, 84, 70.1]) await measured('boiler', celsius);
await alarms.caughtUp(); // everything has been handled

const result = await firstAlarm;
if (result.status === 'event')
  console.log(`the first alarm was of transaction ${result.event.transaction.seq}`);

const hottest = await db.records(Reading).find({ index: 'bySensor', equals: 'boiler' }).all();
console.log(
  `${hottest.length} readings, at most ${Math.max(...hottest.map((each) => each.celsius))} degrees`,
);

await db.close();
await rm(directory, { recursive: true });
