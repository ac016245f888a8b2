import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as evenkeel from '../../lib/index.ts';
import { type ClassDefinition, describeClass, parseDdl, toTypeScript } from '../../lib/index.ts';
import { anyClass } from './schema-arbitraries.mts';

/** What a printed module exports; it has no type annotations, so it is JavaScript as well. */
function evaluate(module: string): Record<string, unknown> {
  const script = module
    .replace(/^import (\{[^}]*\}) from 'evenkeel';/m, 'const $1 = evenkeel;')
    .replace(/^export const (\S+) =/gm, 'const $1 = exported.$1 =');
  const exported = {};
  new Function('evenkeel', 'exported', `'use strict';${script}`)(evenkeel, exported);
  return exported;
}

const describeAll = (definitions: Iterable<unknown>): unknown[] =>
  [...definitions].map((definition) => describeClass(definition as ClassDefinition));

test('a schema is printed as one would write it', () => {
  const text = `declare database shop;
    struct Line { string sku; double price; };
    class Order {
      autoid; uint4 id; char<8> state; nullable string note; vector<Line> lines; Line gifts[2];
      unique tree<id> byId; hash<state> byState[10]; tree<state, id desc> byBoth;
      event <new> orderNew; event <state update> orderState;
      TTL_count 10; TTL_clock_time 1500 ms;
    };`;
  const printed = `// The database shop.
import {
  defineClass,
  desc,
  field,
  index,
  onFieldUpdate,
  onNew,
  uniqueHashIndex,
  uniqueIndex,
} from 'evenkeel';

export const Line = field.struct({
  sku: field.string(),
  price: field.float64(),
});

export const Order = defineClass('Order', {
  key: 'autoid',
  fields: {
    autoid: field.autoid(),
    id: field.uint32(),
    state: field.string({ maxLength: 8 }),
    note: field.optional(field.string()),
    lines: field.vector(Line),
    gifts: field.vector(Line, { length: 2 }),
  },
  indexes: {
    byId: uniqueIndex('id'),
    byState: uniqueHashIndex('state'),
    byBoth: index('state', desc('id')),
  },
  events: [
    onNew('orderNew'),
    onFieldUpdate('state', 'orderState'),
  ],
  ttl: { age: 1.5, count: 10 },
});
`;
  assert.equal(toTypeScript(parseDdl(text)), printed);
});

test('names that TypeScript or the import needs get an underscore, on the outside only', () => {
  const text = `declare database d; struct field { uint1 a; }; class index { uint1 delete; field f; list; };
    class delete { autoid; uint1 a; }; class delete_ { autoid; uint1 a; };`;
  const parsed = parseDdl(text);
  const exported = evaluate(toTypeScript(parsed));
  assert.deepEqual(Object.keys(exported), ['field_', 'index_', 'delete_', 'delete__']);
  assert.deepEqual(
    describeAll([exported.index_, exported.delete_, exported.delete__]),
    describeAll(parsed.classes.values()),
  );
});

test('the printed module declares the same classes, whatever they are', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(anyClass, { selector: ({ name }) => name, minLength: 1, maxLength: 3 }),
      (definitions) => {
        const classes = new Map(definitions.map((each) => [each.name, each]));
        const exported = evaluate(toTypeScript({ database: 'd', classes, structs: new Map(), warnings: [] }));
        assert.deepEqual(describeAll(Object.values(exported)), describeAll(definitions));
      },
    ),
  );
});
