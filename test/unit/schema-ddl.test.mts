import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DdlSyntaxError, InvalidArgumentError } from '../../lib/errors.ts';
import {
  type ClassDefinition,
  classFromDescription,
  describeClass,
  type ParsedSchema,
  parseDdl,
  toTypeScript,
} from '../../lib/index.ts';

const inDatabase = (text: string): ParsedSchema => parseDdl(`declare database d;\n${text}`);

/** The only class of a text. */
function classOf(text: string): ClassDefinition {
  const [definition, ...others] = inDatabase(text).classes.values();
  assert.ok(definition);
  assert.equal(others.length, 0);
  return definition;
}

/** The type that a member is read as, in JSON. */
function typeOf(member: string, before = ''): unknown {
  const { fields } = describeClass(classOf(`${before} class C { autoid; ${member} };`));
  return fields[1]?.type;
}

function refused(text: string, line: number, column: number, message: RegExp): void {
  assert.throws(
    () => inDatabase(text),
    (error) => {
      assert.ok(error instanceof DdlSyntaxError, String(error));
      assert.match(error.message, message);
      // The first line is inDatabase's.
      assert.deepEqual(error.context, { line: line + 1, column }, error.message);
      return true;
    },
  );
}

function warningsOf(text: string): string[] {
  return inDatabase(text).warnings.map(({ line, column, message }) => `${line - 1}:${column} ${message}`);
}

const SHOP = `declare database shop;
class Order {
    autoid;
    uint4 id;   uint4 state;   string note;
    unique tree<id> byId;
    event <new>          orderNew;
    event <state update> orderState;     // forbids a class-wide <update> there
    event <delete>       orderGone;
    event <delete_all>   ordersCleared;
    event <checkpoint>   orderIndexed;
    TTL_count 10000;
    TTL_clock_time 3600 sec;
};
`;

test('a schema with keys, indexes, events and Time-To-Live', () => {
  const { database, classes, structs, warnings } = parseDdl(SHOP);
  assert.equal(database, 'shop');
  assert.deepEqual([...structs], []);
  assert.deepEqual(warnings, []);
  assert.deepEqual([...classes.keys()], ['Order']);
  const order = classes.get('Order');
  assert.ok(order);
  assert.deepEqual(describeClass(order), {
    name: 'Order',
    key: 'autoid',
    fields: [
      { name: 'autoid', type: { kind: 'autoid' } },
      { name: 'id', type: { kind: 'uint32' } },
      { name: 'state', type: { kind: 'uint32' } },
      { name: 'note', type: { kind: 'string' } },
    ],
    indexes: [{ name: 'byId', type: 'tree', unique: true, fields: [{ field: 'id', order: 'asc' }] }],
    events: [
      { name: 'orderGone', kind: 'delete' },
      { name: 'orderIndexed', kind: 'checkpoint' },
      { name: 'orderNew', kind: 'new' },
      { name: 'orderState', kind: 'fieldUpdate', field: 'state' },
      { name: 'ordersCleared', kind: 'deleteAll' },
    ],
    ttl: { age: 3600, count: 10000 },
  });
});

describe('types', () => {
  const simple: Record<string, object> = {
    'signed<1>': { kind: 'int8' },
    'signed<2>': { kind: 'int16' },
    'signed<4>': { kind: 'int32' },
    'signed<8>': { kind: 'int64' },
    'unsigned<1>': { kind: 'uint8' },
    'unsigned<2>': { kind: 'uint16' },
    'unsigned<4>': { kind: 'uint32' },
    'unsigned<8>': { kind: 'uint64' },
    int1: { kind: 'int8' },
    int8: { kind: 'int64' },
    uint1: { kind: 'uint8' },
    uint8: { kind: 'uint64' },
    float: { kind: 'float32' },
    double: { kind: 'float64' },
    'char<0x10>': { kind: 'string', maxLength: 16 },
    'nchar<8>': { kind: 'string', maxLength: 8 },
    'wchar<8>': { kind: 'string', maxLength: 8 },
    string: { kind: 'string' },
    nstring: { kind: 'string' },
    wstring: { kind: 'string' },
    'binary<4>': { kind: 'bytes', maxLength: 4 },
    blob: { kind: 'bytes' },
    date: { kind: 'datetime' },
    time: { kind: 'datetime' },
    datetime: { kind: 'datetime' },
    bool: { kind: 'boolean' },
    boolean: { kind: 'boolean' },
    autoid_t: { kind: 'uint64' },
    'autoid_t<Other>': { kind: 'uint64' },
  };
  for (const [written, expected] of Object.entries(simple)) {
    test(`${written} is ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(typeOf(`${written} x;`), expected);
      assert.deepEqual(typeOf(`nullable ${written} x;`), { kind: 'optional', of: expected });
      assert.deepEqual(typeOf(`vector<${written}> x;`), { kind: 'vector', of: expected });
      assert.deepEqual(typeOf(`${written} x[3];`), { kind: 'vector', of: expected, length: 3 });
    });
  }

  test('enums and structs are types, once they are declared', () => {
    const before = 'enum State { open, shut = -1, }; direct struct Line { State s; nullable uint1 n; };';
    const line = {
      kind: 'struct',
      fields: [
        { name: 's', type: { kind: 'enumeration', values: ['open', 'shut'] } },
        { name: 'n', type: { kind: 'optional', of: { kind: 'uint8' } } },
      ],
    };
    assert.deepEqual(typeOf('Line x;', before), line);
    assert.deepEqual(typeOf('optional Line x;', before), { kind: 'optional', of: line });
    assert.deepEqual(typeOf('vector<Line> x;', before), { kind: 'vector', of: line });
    assert.deepEqual([...inDatabase(before).structs.keys()], ['Line']);
  });

  test('several fields may share a type', () => {
    const { fields } = classOf('class C { autoid; uint1 a, b[2], c; };');
    assert.deepEqual(Object.keys(fields), ['autoid', 'a', 'b', 'c']);
    assert.equal(fields.b?.kind, 'vector');
  });

  test('macros stand for numbers and types, comments for nothing', () => {
    const text = `# define LENGTH 20 // of names
      #define NAME char<LENGTH> /* made of
      the other */
      class C { autoid; /**/ NAME x; // NAME y;
      string z; };`;
    assert.deepEqual(describeClass(classOf(text)).fields.slice(1), [
      { name: 'x', type: { kind: 'string', maxLength: 20 } },
      { name: 'z', type: { kind: 'string' } },
    ]);
  });
});

describe('indexes', () => {
  test('a tree has duplicates unless it is unique, a hash is unique unless it says so', () => {
    const { indexes } = classOf(`class C { autoid; uint1 a; uint1 b;
      tree<a asc, b desc> t; unique tree<b> ut; hash<a> h[10]; unique hash<a, b> uh[10]; nonunique hash<b> nh[10]; };`);
    assert.deepEqual(
      Object.entries(indexes).map(([name, { type, unique }]) => [name, type, unique]),
      [
        ['t', 'tree', false],
        ['ut', 'tree', true],
        ['h', 'hash', true],
        ['uh', 'hash', true],
        ['nh', 'hash', false],
      ],
    );
    assert.deepEqual(indexes.t?.fields, [
      { field: 'a', order: 'asc' },
      { field: 'b', order: 'desc' },
    ]);
  });

  test('what has no counterpart is refused by its name', () => {
    const body = (index: string) => `class C { uint1 a; ${index}\n};`;
    for (const type of ['trie', 'trigram', 'kdtree', 'rtree'])
      refused(body(`\n${type}<a> i;`), 2, 1, new RegExp(`type ${type} has no counterpart`));
    refused(body('\nunique rtree<a> i;'), 2, 8, /type rtree has no counterpart/);
    refused(body('\nuserdef tree<a> i;'), 2, 1, /userdef/);
    refused(body('\ntree<a collate C> i;'), 2, 8, /collation/);
    refused(body('\ntree<a.b> i;'), 2, 6, /member of a struct/);
  });
});

describe('the key', () => {
  const keyOf = (text: string) => classOf(text).key;
  const oid = 'struct Id { uint4 a; uint2 b; }; declare OID Id[20000];';

  test('is the autoid, else the oid, else the first unique index without nullable fields', () => {
    assert.equal(keyOf('class C { unique tree<a> i; uint1 a; autoid[100]; };'), 'autoid');
    assert.deepEqual(keyOf(`${oid} class C { unique tree<x> i; uint1 x; oid; list; };`), ['a', 'b']);
    assert.equal(keyOf('class C { nullable uint1 n; uint1 a; unique tree<n> i; hash<a> j[9]; };'), 'a');
    assert.deepEqual(keyOf('class C { uint1 a, b; unique tree<b desc, a> i; };'), ['b', 'a']);
  });

  test('is an autoid that is added where there is nothing of that', () => {
    const text = 'class C { uint1 a; tree<a> i; list; };';
    assert.equal(keyOf(text), 'autoid');
    assert.match(
      warningsOf(text).join(),
      /^1:7 class C has nothing that identifies its objects; autoid is added/,
    );
  });

  test('leaves an oid beside an autoid as a unique index', () => {
    const { key, indexes, fields } = classOf(`${oid} class C { autoid; oid; ref other; };`);
    assert.equal(key, 'autoid');
    assert.deepEqual(Object.keys(fields), ['autoid', 'a', 'b', 'other']);
    assert.deepEqual(
      indexes.oid?.fields.map(({ field }) => field),
      ['a', 'b'],
    );
    assert.equal(fields.other?.kind, 'struct');
  });
});

describe('Time-To-Live', () => {
  const ttlOf = (clauses: string) => classOf(`class C { autoid; uint1 a; ${clauses} };`).ttl;

  test('has its age in seconds, whatever the unit', () => {
    assert.deepEqual(ttlOf('TTL_clock_time 90 sec;'), { age: 90 });
    assert.deepEqual(ttlOf('TTL_clock_time 1500 ms;'), { age: 1.5 });
    assert.deepEqual(ttlOf('TTL_clock_time 250 us;'), { age: 0.00025 });
    assert.deepEqual(ttlOf('TTL_count 7; TTL_clock_time 1 sec; TTL_renew_on update;'), {
      age: 1,
      count: 7,
      renewOnUpdate: true,
    });
    assert.equal(ttlOf(''), undefined);
  });

  test('is refused twice, without a unit, and with nothing to renew', () => {
    refused('class C { uint1 a; TTL_count 1; TTL_count 2; };', 1, 33, /TTL_count is declared twice/);
    refused('class C { uint1 a; TTL_clock_time 1; };', 1, 36, /expected one of sec, ms, us, not ;/);
    refused('class C { uint1 a; TTL_count 0; };', 1, 30, /an integer above 0, not 0/);
    refused('class C { uint1 a; TTL_renew_on update; };', 1, 20, /ttl has an age, a count or both/);
  });
});

describe('events', () => {
  test('may be called like their kinds, and fields like kinds', () => {
    const { events } = classOf(
      'class C { autoid; uint1 update; event <new> new; event <update update> b; event <expire> c; };',
    );
    assert.deepEqual(events, [
      { kind: 'new', name: 'new' },
      { kind: 'fieldUpdate', field: 'update', name: 'b' },
      { kind: 'expire', name: 'c' },
    ]);
  });

  test('of a class and of its fields go together, with a warning', () => {
    const text = 'class C { autoid; uint1 a; event <update> u; event <a update> v; };';
    assert.equal(classOf(text).events.length, 2);
    assert.deepEqual(warningsOf(text), [
      '1:7 class C declares update and the update of single fields, which eXtremeDB forbids',
    ]);
  });

  test('are refused for kinds, fields and names that cannot be', () => {
    const body = (events: string) => `class C { vector<uint1> v; uint1 a;\n${events} };`;
    refused(
      body('event <clear> x;'),
      2,
      8,
      /one of new, update, delete, delete_all, checkpoint, expire, not clear/,
    );
    refused(body('event <b update> x;'), 2, 8, /no field b in class C/);
    refused(body('event <v update> x;'), 2, 18, /v is a vector/);
    refused(body('event <new> x; event <new> y;'), 2, 28, /kind new is declared twice/);
    refused(`${body('event <new> x;')} class D { uint1 a; event <new> x; };`, 2, 50, /x is declared twice/);
  });
});

test('what is read otherwise than it is written is said in warnings, in the order of the text', () => {
  const text = `transient class C { autoid;
    time t; uint1 a = 0, b; string s = "none";
    voluntary inclusive tree<a> i;
  };`;
  assert.deepEqual(warningsOf(text), [
    '1:1 transient: a class lives as long as the database it is in',
    '2:5 time: a time of day is kept as a Date',
    '2:19 a: default values are not taken over',
    '2:36 s: default values are not taken over',
    '3:5 voluntary: an index is always there',
    '3:15 inclusive: an index includes no other fields',
  ]);
  assert.deepEqual(warningsOf('compact persistent class C { autoid; string s; };'), []);
});

describe('what is no schema', () => {
  test('is refused at its line and column', () => {
    const cases: [text: string, line: number, column: number, message: RegExp][] = [
      ['klass A {};', 1, 1, /expected declare, struct, enum or class, not klass/],
      ['class A { };', 1, 7, /class A has no fields/],
      ['class A { uint4 id', 1, 19, /expected ;, not the end of the text/],
      ['class A { unit4 id; };', 1, 11, /no type unit4/],
      ['class A {\n\tchar name;', 2, 7, /expected <, not name/],
      ['class A { char<0> name; };', 1, 16, /a length, an integer above 0, not 0/],
      ['class A { signed<3> x; };', 1, 18, /1, 2, 4 or 8 bytes, not 3/],
      ['class A { vector<vector<uint1>> x; };', 1, 18, /elements of a vector are no vectors/],
      ['class A { sequence<uint1> x; };', 1, 11, /sequence has no counterpart/],
      ['class A { ref x; };', 1, 11, /ref needs a struct/],
      ['class A { uint1 x; oid; };', 1, 20, /oid needs a struct/],
      ['class A { uint1 x;\r\n  uint2 x; };', 2, 9, /field x is declared twice/],
      ['class A { uint1 constructor; };', 1, 17, /reserved/],
      ['class A { uint1 x; tree<y> i; };', 1, 25, /no field y in class A/],
      ['class A { uint1 x; tree<__proto__> i; };', 1, 25, /no field __proto__/],
      ['class A { uint1 x; event <new> constructor; };', 1, 32, /reserved/],
      ['class A { blob x; autoid; tree<x> i; };', 1, 35, /no order/],
      ['class A { uint1 x; tree<x> i; hash<x> i[1]; };', 1, 39, /index i is declared twice/],
      ['class A { uint1 x; hash<x desc> i[1]; };', 1, 27, /expected >, not desc/],
      ['class A { uint1 x; }; struct A { uint1 x; };', 1, 30, /A is declared twice/],
      ['struct A { };', 1, 8, /fields is empty/],
      ['struct A { uint1 x, x; };', 1, 21, /field x is declared twice/],
      ['struct A { uint1 prototype; };', 1, 18, /reserved/],
      ['struct A { A x; };', 1, 12, /no type A/],
      ['enum E { a, a };', 1, 13, /value a is declared twice/],
      ['enum E { };', 1, 10, /expected the name of a value, not }/],
      ['declare database e;', 1, 9, /database is declared twice/],
      ['declare oid X[1];', 1, 13, /no struct X/],
      ['declare table x;', 1, 9, /expected database, oid or auto_oid, not table/],
      ['/* open', 1, 1, /comment has no end/],
      ['class A { uint1 ä; };', 1, 17, /unexpected character "ä"/],
      ['#include "x.h"', 1, 1, /directive #include is not supported/],
      ['class A { #define X 1\n', 1, 11, /begins its line/],
      ['#define\nX', 1, 1, /needs a name/],
      ['#define 1 X', 1, 9, /needs a name, not 1/],
      ['#define F(x) x', 1, 9, /parameters are not supported: F/],
    ];
    for (const [text, line, column, message] of cases) refused(text, line, column, message);
    assert.throws(() => parseDdl(''), { context: { line: 1, column: 1 } });
  });

  test('is shown: the line, and a mark below the column', () => {
    const text = 'declare database d;\nclass A {\n\tuint4 id;\n\tunit4 name;\n};';
    const shown =
      'there is no type unit4; a struct or enum comes before what uses it\n  \tunit4 name;\n  \t^';
    assert.throws(() => parseDdl(text), { message: `line 4, column 2: ${shown}` });
    assert.throws(() => parseDdl(text, { file: 'shop.mco' }), { message: `shop.mco:4:2: ${shown}` });
  });

  test('is shown in part where its line is long', () => {
    const text = `${' '.repeat(1000)}? ${'x'.repeat(1000)}`;
    assert.throws(
      () => parseDdl(text),
      ({ message }: Error) => {
        const [, line = '', mark = ''] = message.split('\n');
        return line.length < 120 && line[mark.indexOf('^')] === '?';
      },
    );
  });

  test('is a string, or the argument is refused', () => {
    assert.throws(() => parseDdl(Buffer.from(SHOP) as unknown as string), InvalidArgumentError);
  });

  test('is found in a time that grows with its length, however much there is to say of it', () => {
    const classes = Array.from({ length: 10_000 }, (_, i) => `class C${i} { uint4 a; };\r\n`).join('');
    const began = process.cpuUsage();
    const { warnings } = parseDdl(`declare database d;\n${classes}`);
    assert.ok(process.cpuUsage(began).user < 20e6); // µs; with the square of the length it is minutes
    assert.deepEqual([warnings.length, warnings[9999]?.line, warnings[9999]?.column], [10_000, 10_001, 7]);
    const many = Array.from({ length: 70_000 }, (_, i) => `v${i}`).join(',\n');
    assert.throws(
      () => parseDdl(`enum E {\n${many} };`),
      (error) => error instanceof DdlSyntaxError && error.context.line === 65_538,
    );
  });

  test('does not grow without bound by its macros', () => {
    const text = Array.from({ length: 40 }, (_, i) => `#define m${i + 1} m${i} m${i}\n`).join('');
    assert.throws(() => parseDdl(`#define m0 x\n${text}`), /a macro stands for at most 64 tokens/);
  });

  const many = (count: number, part: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => part(i)).join('');
  const refusedAt = (text: string, line: number, problem: RegExp): void => {
    assert.throws(
      () => parseDdl(text),
      (error) =>
        error instanceof DdlSyntaxError && error.context.line === line && problem.test(error.message),
    );
  };

  test('has at most a million tokens, those of its macros included', () => {
    const macro = (uses: number): string =>
      `#define A ${';'.repeat(64)}\ndeclare database d;\n${many(uses, () => 'A\n')}`;
    assert.equal(parseDdl(macro(1000)).database, 'd');
    refusedAt(macro(100_000), 15_627, /at most 1000000 tokens/);
    refusedAt(`#define B ${'x '.repeat(100_000)}`, 1, /at most 64 tokens/);
  });

  test('declares structs whose fields have a bounded sum, however often they are used', () => {
    const doubled = (times: number): string =>
      `declare database d;\nstruct s0 { uint4 a; };\n${many(times, (i) => `struct s${i + 1} { s${i} a; s${i} b; };\n`)}`;
    assert.equal(parseDdl(doubled(12)).structs.size, 13);
    refusedAt(doubled(1000), 16, /fields: there are more than 10000 fields/);
    const values = `enum E { ${many(60_000, (i) => `v${i}, `)} };\n`;
    refusedAt(
      `declare database d;\n${values}struct s {\n${many(20, (i) => `E e${i};\n`)}};`,
      3,
      /1048576 values/,
    );
  });

  test('declares structs and vectors that are at most 64 deep within each other', () => {
    const deep = (depth: number, type: (name: string) => string): string =>
      `declare database d;\nstruct s1 { uint4 a; };\n${many(depth - 1, (i) => `struct s${i + 2} { ${type(`s${i + 1}`)} a; };\n`)}`;
    assert.equal(parseDdl(deep(63, (name) => name)).structs.size, 63);
    refusedAt(
      deep(3000, (name) => name),
      65,
      /more than 64 deep/,
    );
    refusedAt(
      deep(3000, (name) => `vector<${name}>`),
      34,
      /more than 64 deep/,
    );
  });

  test('declares indexes of at most 64 fields, and names of at most 255 characters', () => {
    const index = `declare database d; class c { autoid[1]; uint4 a;\ntree<${'a,'.repeat(200_000)}a> t; };`;
    refusedAt(index, 2, /an index has at most 64 fields/);
    refusedAt(`declare database d;\nclass ${'c'.repeat(1e6)} {};`, 2, /a name has at most 255 characters/);
    assert.equal(parseDdl(`declare database ${'d'.repeat(255)};`).database.length, 255);
  });

  test('may have enums of as many values as there can be', () => {
    const { classes } = parseDdl(
      `declare database d; enum E { ${many(65_536, (i) => `v${i}, `)} }; class c { autoid[1]; E e; };`,
    );
    const definition = classes.get('c');
    assert.ok(definition !== undefined);
    assert.deepEqual(classFromDescription(describeClass(definition)), definition);
    assert.match(toTypeScript({ database: 'd', classes, structs: new Map(), warnings: [] }), /'v65535'/);
  });

  test('has harmless messages of bounded length', () => {
    for (const text of [
      '\u001b[31m',
      `declare ${'9'.repeat(1e6)}`,
      `"${'x'.repeat(1e6)}"`,
      `\u202e${' '.repeat(50)}x`,
    ])
      assert.throws(
        () => parseDdl(text, { file: `\u001b${'f'.repeat(1e6)}` }),
        ({ message }: Error) => message.length < 2000 && !/(?!\n)[\p{Cc}\p{Bidi_Control}]/u.test(message),
      );
  });
});

describe('any text is read or refused by DdlSyntaxError', () => {
  const survives = (text: string): void => {
    try {
      for (const definition of parseDdl(text).classes.values()) describeClass(definition);
    } catch (error) {
      if (!(error instanceof DdlSyntaxError)) throw error;
      const { line = 0, column = 0 } = error.context;
      assert.ok(line >= 1 && line <= text.split(/\r\n|\r|\n/).length && column >= 1);
    }
  };
  const vocabulary =
    'declare database oid class struct enum compact nullable optional vector char string uint4 signed unsigned blob ref time event update new delete_all tree hash unique userdef inclusive desc autoid list TTL_count TTL_clock_time sec A B a b constructor __proto__ 0 1 4 99999999999999999999 < > { } [ ] ; , . = - #define \n "t" /* */ //'.split(
      ' ',
    );

  test('random', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), survives), { numRuns: 500 });
  });

  test('of the language, at random', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...vocabulary), { maxLength: 60 }), (words) =>
        survives(`declare database d; class A { uint4 a; ${words.join(' ')}`),
      ),
      { numRuns: 2000 },
    );
  });

  test('a schema with a part replaced', () => {
    const full = `${SHOP.replace('};', 'voluntary tree<state desc, note> t; hash<id> h[1]; oid; nullable char<4> c[2] = "x";\n};')}
      #define LEN 4
      enum E { a = 1, b }; struct Id { uint4 x; }; declare oid Id[7]; class B { vector<Id> ids; ref r; E e; };`;
    const piece = fc.oneof(fc.constantFrom('', ...vocabulary), fc.string({ unit: 'binary', maxLength: 4 }));
    fc.assert(
      fc.property(fc.nat(full.length), fc.nat(12), piece, (at, length, replacement) =>
        survives(full.slice(0, at) + replacement + full.slice(at + length)),
      ),
      { numRuns: 3000 },
    );
  });
});
