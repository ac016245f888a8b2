import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect, defineClass, field, onNew } from '../../lib/index.ts';
import { Directory, Order, open, order } from './events-shop.mts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

class Command {
  readonly #child;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<[number | null, NodeJS.Signals | null]>;
  errors = '';

  constructor(...args: string[]) {
    this.#child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = once(this.#child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    this.#child.stderr.on('data', (data) => {
      this.errors += data;
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    assert.ok(!done, this.errors);
    return value;
  }

  async rest(): Promise<string[]> {
    const lines: string[] = [];
    for (let next = await this.#lines.next(); !next.done; next = await this.#lines.next())
      lines.push(next.value);
    return lines;
  }

  /** Whoever reads has seen enough. */
  stopReading(): void {
    this.#child.stdout.destroy();
  }

  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.#child.kill(signal);
    return (await this.#ended)[0];
  }
}

describe('evenkeel watch', () => {
  test('follows a live database from its beginning, a line for each event, until it is interrupted', async () => {
    await using directory = await Directory.make();
    const db = await open({}, directory.url);
    await db.records(Order).insert(order(1));
    const watch = new Command('watch', directory.url, '--from', 'beginning');
    assert.match(await watch.line(), /^2\S+Z +1 {2}Order {3}new +1 {2}\{"id":1,"customer":1,.* [\w.]+$/);
    await db.records(Order).update(1, { state: 2, note: 'x' });
    assert.match(await watch.line(), / 2 {2}Order {3}update +1 {2}state: 1 → 2, note: "" → "x"/);
    assert.match(await watch.line(), / 2 {2}Order {3}fieldUpdate:state +1 {2}1 → 2/);
    await db.records(Order).deleteAll();
    assert.match(await watch.line(), / 3 {2}Order {3}deleteAll +1 record /);
    assert.equal(await watch.end('SIGINT'), 0);
    assert.equal(watch.errors, '');
    await db.close();
  });

  test('follows all classes of a database whose events are implicit', async () => {
    await using directory = await Directory.make();
    const Silent = defineClass('Silent', { key: 'id', fields: { id: field.uint32() } });
    const db = await connect(directory.url, { classes: [Silent], events: 'implicit' });
    await db.records(Silent).insert({ id: 1 });
    await db.records(Silent).remove(1);
    await db.close();
    const watch = new Command('watch', directory.url, '--from', 'beginning');
    assert.match(await watch.line(), / 1 {2}Silent {2}new +1 /);
    assert.match(await watch.line(), / 2 {2}Silent {2}delete +1 /);
    assert.equal(await watch.end('SIGINT'), 0);
  });

  test('prints JSON lines, of the classes and kinds asked for, from a position on', async () => {
    await using directory = await Directory.make();
    const db = await open({}, directory.url);
    for (const id of [1, 2]) await db.records(Order).insert(order(id));
    const args = ['watch', directory.url, '--json', '--class', 'Order', '--kind', 'new', '--kind', 'delete'];
    const first = new Command(...args, '--from', 'beginning');
    const event = JSON.parse(await first.line());
    assert.deepEqual([event.kind, event.key, event.after.id, event.transaction.seq], ['new', 1, 1, '1']);
    assert.equal(await first.end('SIGTERM'), 0);
    const second = new Command(...args, '--from', event.position);
    assert.equal(JSON.parse(await second.line()).key, 2);
    await db.records(Order).update(1, { state: 5 });
    await db.records(Order).remove(1);
    assert.equal(JSON.parse(await second.line()).kind, 'delete');
    assert.equal(await second.end('SIGTERM'), 0);
    await db.close();
  });

  test('says integers beyond JSON as decimal text, moments as ISO and bytes as base64', async () => {
    await using directory = await Directory.make();
    const Sample = defineClass('Sample', {
      key: 'id',
      fields: { id: field.autoid(), at: field.datetime(), data: field.bytes() },
      events: [onNew()],
    });
    const db = await connect(directory.url, { classes: [Sample] });
    await db.records(Sample).insert({ at: new Date(0), data: Buffer.from([1, 2, 255]) });
    const watch = new Command('watch', directory.url, '--json', '--from', 'beginning');
    const event = JSON.parse(await watch.line());
    assert.equal(event.key, '1');
    assert.deepEqual(event.after, { id: '1', at: '1970-01-01T00:00:00.000Z', data: 'AQL/' });
    assert.equal(await watch.end('SIGINT'), 0);
    await db.close();
  });

  test('ends when nobody reads it any more, also while nothing happens', async () => {
    await using directory = await Directory.make();
    const db = await open({}, directory.url);
    await db.records(Order).insert(order(1));
    const watch = new Command('watch', directory.url, '--from', 'beginning');
    await watch.line();
    watch.stopReading();
    if (process.platform !== 'linux') await db.records(Order).insert(order(2)); // there the next line tells
    assert.equal(await watch.end(), 0);
    assert.equal(watch.errors, '');
    await db.close();
  });

  test('says on one line what it cannot do, and exits with 1', async () => {
    await using directory = await Directory.make();
    await (await open({}, directory.url)).close();
    const Silent = defineClass('Silent', { key: 'id', fields: { id: field.uint32() } });
    await (await connect(directory.url, { classes: [Silent] })).close();
    for (const [args, message] of [
      [['memcached://127.0.0.1'], /only embedded databases in a directory can be watched/],
      [['embedded:'], /only embedded databases in a directory can be watched, not embedded:$/m],
      [['embedded:///nowhere/at/all'], /EVENKEEL_STORAGE: \/nowhere\/at\/all/],
      [[directory.url, '-c', 'Nothing'], /no class Nothing; there are: Order, Marker, Silent/],
      [[directory.url, '-c', 'Silent'], /Silent: no event is declared/],
      [[directory.url, '-k', 'nothing'], /EVENKEEL_EVENT_NOT_DECLARED/],
      [[directory.url, '--from', 'yesterday'], /EVENKEEL_INVALID_ARGUMENT: from/],
    ] as const) {
      const watch = new Command('watch', ...args);
      assert.equal(await watch.end(), 1);
      assert.match(watch.errors, message);
      assert.equal(watch.errors.trim().split('\n').length, 1);
    }
  });
});

describe('evenkeel demo', () => {
  test('runs an application on a temporary database and shows its events', async () => {
    const demo = new Command('demo');
    const lines = await demo.rest();
    assert.equal(await demo.end(), 0, demo.errors);
    assert.match(lines[0] ?? '', /^Three sensors on a temporary database/);
    for (const pattern of [
      /Sensor +new +attic-1/,
      /Reading new/,
      /fieldUpdate .* was ok, is hot/,
      /expire .*ttl-age/,
      /deleteAll/,
    ])
      assert.ok(
        lines.some((line) => pattern.test(line)),
        `${pattern} is not in\n${lines.join('\n')}`,
      );
    assert.match(lines.at(-1) ?? '', /^\d+ of 12 readings had not expired/);
  });

  test('measures the same each time, and leaves a directory that can be watched', async () => {
    await using directory = await Directory.make();
    const measured = async (): Promise<string[]> => {
      const demo = new Command('demo', directory.url);
      const lines = await demo.rest();
      assert.equal(await demo.end(), 0, demo.errors);
      assert.equal(
        lines.at(-1),
        `All of it can be had again: evenkeel watch ${directory.url} --from beginning`,
      );
      return lines.filter((line) => / Reading new /.test(line)).map((line) => line.replace(/^.* new +/, ''));
    };
    const first = await measured();
    assert.equal(first.length, 12);
    assert.deepEqual(await measured(), first);
    const watch = new Command('watch', directory.url, '--from', 'beginning', '--kind', 'deleteAll');
    assert.match(await watch.line(), / Reading +deleteAll +\d+ records? /);
    assert.match(await watch.line(), / Reading +deleteAll +\d+ records? /);
    assert.equal(await watch.end('SIGTERM'), 0);
  });

  test('ends early and cleanly when it is interrupted, and says what it cannot open', async () => {
    const demo = new Command('demo');
    await demo.line();
    assert.equal(await demo.end('SIGINT'), 0);
    assert.equal(demo.errors, '');
    const other = new Command('demo', 'memcached://127.0.0.1');
    assert.equal(await other.end(), 1);
    assert.match(other.errors, /^evenkeel: EVENKEEL_INVALID_ARGUMENT: .*embedded.*\n$/);
  });
});
