import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  connect,
  defineClass,
  EvenkeelError,
  field,
  InvalidArgumentError,
  TimeoutError,
} from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { turn } from '../faults/harness.mts';
import { onBothBases } from './harness.mts';

const Note = defineClass('Note', { key: 'id', fields: { id: field.uint32() } });

async function errorOf(call: () => Promise<unknown>): Promise<EvenkeelError> {
  const error = await call().then(
    () => assert.fail('it resolved'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof EvenkeelError);
  return error;
}

onBothBases('the stack of an error', (bases) => {
  test('is its name and message: what it was made in leads to no caller', async () => {
    await using server = await startServer();
    await using db = await bases.connect(server.url, { timeout: 50 });
    await db.upsert('k', 'v');
    await server.fault({ opcode: 'get', action: { kind: 'hang' } });
    for (const error of [await errorOf(() => db.insert('k', 1)), await errorOf(() => db.get('k'))])
      assert.equal(error.stack, `${error.name}: ${error.message}`);
  });

  test('begins with the caller with captureStack, and that costs nothing of what it says otherwise', async () => {
    await using server = await startServer();
    await using db = await bases.connect(server.url, { captureStack: true });
    const placeOrder = async (): Promise<unknown> => await db.insert('k', 1);
    const lookUp = async (): Promise<unknown> => await db.getMany(['k', 'other'], { timeout: 50 });
    const schedule = async (): Promise<unknown> => await db.schedule((ctx) => ctx.insert('k', 1));
    await placeOrder();
    await server.fault({ opcode: 'get', action: { kind: 'hang' } });
    for (const call of [placeOrder, schedule, lookUp]) {
      const { stack = '', name, message } = await errorOf(call);
      const [first, second = ''] = stack.split('\n');
      assert.equal(first, `${name}: ${message}`);
      assert.match(second, /error-stacks/);
      assert.match(stack, new RegExp(`${call.name}.*error-stacks`));
    }
    const context = db.enter();
    const discarded = errorOf(() => context.get('k'));
    void context.get('nobody-listens');
    context.fail();
    assert.match((await discarded).stack ?? '', /error-stacks/);
  });

  test('is V8’s where the call throws', async () => {
    await using server = await startServer();
    await using db = await bases.connect(server.url);
    const misuse = (): unknown => db.get('');
    assert.throws(misuse, (error: Error) => /misuse/.test(error.stack ?? ''));
  });

  test('lets the loop turn however many operations fail at once', async () => {
    await using server = await startServer({ worker: true });
    await using db = await bases.connect(server.url, { timeout: 20 });
    await server.fault({ action: { kind: 'hang' } });
    let failed = 0;
    const count = 20_000;
    for (let i = 0; i < count; i += 1)
      db.get('k').catch((error: unknown) => {
        assert.ok(error instanceof TimeoutError);
        failed += 1;
      });
    let most = 0;
    while (failed < count) {
      const before = failed;
      await turn();
      most = Math.max(most, failed - before);
    }
    // A turn may look at the base several times, each time for a thousand records at most.
    assert.ok(most < count / 2, `${most} in one turn`);
  });
});

describe('captureStack', () => {
  test('is an option of the embedded engine, too', async () => {
    await using db = await connect('embedded:', { classes: [Note], captureStack: true });
    const notes = db.records(Note);
    const placeOrder = async (): Promise<unknown> => await db.insert('k', 1);
    const write = async (): Promise<unknown> => await notes.insert({ id: 1 });
    const transact = async (): Promise<unknown> =>
      await db.transaction(() => {
        throw new InvalidArgumentError('of the user');
      });
    await placeOrder();
    await write();
    for (const call of [placeOrder, write, transact])
      assert.match(
        (await errorOf(call)).stack?.split('\n')[1] ?? '',
        new RegExp(`${call.name}.*error-stacks`),
      );
    assert.deepEqual(await notes.find().all(), [{ id: 1 }]);
  });

  test('is true or false', async () => {
    for (const url of ['embedded:', 'memcached://127.0.0.1:1'] as string[]) {
      await assert.rejects(connect(url, { captureStack: 1 as unknown as boolean }), {
        code: 'EVENKEEL_INVALID_ARGUMENT',
      });
    }
  });
});
