import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { connect, EventBase } from '../../lib/index.ts';

describe('an object of the addon', () => {
  // What is looked up in a dictionary at every call costs more than some of what the call does.
  test('has its functions where V8 finds them without looking', async () => {
    setFlagsFromString('--allow-natives-syntax');
    const isFast = new Function('object', 'return %HasFastProperties(object)') as (
      object: unknown,
    ) => boolean;
    const made: object[] = [];
    const base = EventBase.create();
    const create = base.createClient.bind(base);
    base.createClient = (...given) => {
      const client = create(...given);
      made.push(client);
      return client;
    };
    const db = await connect('memcached://127.0.0.1:1', { lazy: true, eventBase: base });
    await db.close();
    await base.close();
    assert.equal(made.length, 1);
    assert.ok(Object.keys(made[0] as object).length > 12);
    for (const object of made) assert.ok(isFast(object), String(Object.keys(object)));
  });
});
