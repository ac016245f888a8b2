import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type LookupKind,
  lookUp,
  type Mutation,
  type MutationKind,
  mutate,
} from '../../lib/testing/cluster/json/sub-document.ts';
import { ClusterOpcode as Op, ClusterStatus as Status, startCluster } from '../../lib/testing/index.ts';
import { ClusterClient, type ClusterRequest } from './cluster-client.mts';

function outcomeOf(action: () => string): string | number {
  try {
    return action();
  } catch (error) {
    return (error as { status: number }).status;
  }
}

const document = '{"a": {"b.c": [1, -2.50e3, {"d": null}]}, "n": 12345678901234567890, "t\\"x": "]"}';

test('lookups find what a path leads to, and leave its text as it is', () => {
  const lookups: [LookupKind, string, string | number][] = [
    ['get', 'n', '12345678901234567890'],
    ['get', 'a.`b.c`[1]', '-2.50e3'],
    ['get', 'a.`b.c`[-1].d', 'null'],
    ['get', 't"x', '"]"'],
    ['get', '', document],
    ['count', 'a.`b.c`', '3'],
    ['count', 'a', '1'],
    ['count', 'n', Status.pathMismatch],
    ['exists', 'a', ''],
    ['exists', 'a.x', Status.pathNotFound],
    ['get', 'a[0]', Status.pathMismatch],
    ['get', 'n.x', Status.pathMismatch],
    ['get', 'a..b', Status.pathInvalid],
    ['get', 'a[-2]', Status.pathInvalid],
    ['get', `${'a.'.repeat(40)}b`, Status.pathTooBig],
  ];
  for (const [kind, path, expected] of lookups)
    assert.equal(
      outcomeOf(() => lookUp(document, kind, path)),
      expected,
      `${kind} ${path}`,
    );
});

test('mutations change nothing but what they are about', () => {
  const from = '{"a": [1, 2],"o":{"x":1 }, "i":9223372036854775806}';
  const mutations: [MutationKind, string, string, string | number, boolean?][] = [
    ['dictAdd', 'o.y', '{"z":2}', '{"a": [1, 2],"o":{"x":1 ,"y":{"z":2}}, "i":9223372036854775806}'],
    ['dictAdd', 'o.x', '2', Status.pathExists],
    ['dictAdd', 'o.x', '{', Status.cannotInsert],
    ['dictAdd', 'a[0]', '1', Status.pathInvalid],
    ['dictUpsert', 'o.x', '2', '{"a": [1, 2],"o":{"x":2 }, "i":9223372036854775806}'],
    ['dictUpsert', 'p.q.r', '2', Status.pathNotFound],
    [
      'dictUpsert',
      'p.q.r',
      '2',
      '{"a": [1, 2],"o":{"x":1 }, "i":9223372036854775806,"p":{"q":{"r":2}}}',
      true,
    ],
    ['replace', 'a[1]', '"two"', '{"a": [1, "two"],"o":{"x":1 }, "i":9223372036854775806}'],
    ['replace', 'a[2]', '1', Status.pathNotFound],
    ['delete', 'a[0]', '', '{"a": [2],"o":{"x":1 }, "i":9223372036854775806}'],
    ['delete', 'a[-1]', '', '{"a": [1],"o":{"x":1 }, "i":9223372036854775806}'],
    ['delete', 'o.x', '', '{"a": [1, 2],"o":{ }, "i":9223372036854775806}'],
    ['arrayPushLast', 'a', '3,4', '{"a": [1, 2,3,4],"o":{"x":1 }, "i":9223372036854775806}'],
    ['arrayPushFirst', 'a', '0', '{"a": [0,1, 2],"o":{"x":1 }, "i":9223372036854775806}'],
    ['arrayPushLast', 'o', '1', Status.pathMismatch],
    ['arrayInsert', 'a[1]', '7', '{"a": [1, 7,2],"o":{"x":1 }, "i":9223372036854775806}'],
    ['arrayInsert', 'a[3]', '7', Status.pathNotFound],
    ['arrayAddUnique', 'a', '2', Status.pathExists],
    ['arrayAddUnique', 'a', '[]', Status.cannotInsert],
    ['counter', 'i', '1', '{"a": [1, 2],"o":{"x":1 }, "i":9223372036854775807}'],
    ['counter', 'i', '2', Status.cannotInsert],
    ['counter', 'i', '0', Status.deltaInvalid],
    ['counter', 'a', '1', Status.pathMismatch],
  ];
  for (const [kind, path, value, expected, createsPath = false] of mutations) {
    const mutation: Mutation = { kind, path, value, createsPath };
    assert.equal(
      outcomeOf(() => mutate(from, mutation).text),
      expected,
      `${kind} ${path} ${value}`,
    );
  }
  assert.equal(mutate(from, { kind: 'counter', path: 'new', value: '-3', createsPath: false }).result, '-3');
});

const XATTR = 0x04;
const EXPAND = 0x10;

const macro = (name: string): string => `"\${Mutation.${name}}"`;

function lookupBody(...specs: [opcode: number, flags: number, path: string][]): Buffer {
  return Buffer.concat(
    specs.map(([opcode, flags, path]) => {
      const head = Buffer.from([opcode, flags, 0, path.length]);
      return Buffer.concat([head, Buffer.from(path)]);
    }),
  );
}

function mutationBody(...specs: [opcode: number, flags: number, path: string, value: string][]): Buffer {
  return Buffer.concat(
    specs.map(([opcode, flags, path, value]) => {
      const head = Buffer.from([opcode, flags, 0, path.length, 0, 0, 0, value.length]);
      return Buffer.concat([head, Buffer.from(path + value)]);
    }),
  );
}

/** Statuses and texts of the answer to a lookup of several paths. */
function resultsOf(value: Buffer): [number, string][] {
  const results: [number, string][] = [];
  for (let at = 0; at < value.length; ) {
    const size = value.readUInt32BE(at + 2);
    results.push([value.readUInt16BE(at), value.toString('utf8', at + 6, at + 6 + size)]);
    at += 6 + size;
  }
  return results;
}

async function started() {
  const cluster = await startCluster();
  const [node] = cluster.nodes;
  assert.ok(node);
  const client = await ClusterClient.join(node);
  return {
    cluster,
    client,
    mutate: (value: Buffer, more: Partial<ClusterRequest> = {}) =>
      client.ask({ opcode: Op.subdocMultiMutation, key: 'd', value, ...more }),
    lookUp: (value: Buffer, more: Partial<ClusterRequest> = {}) =>
      client.ask({ opcode: Op.subdocMultiLookup, key: 'd', value, ...more }),
    async [Symbol.asyncDispose]() {
      await client.close();
      await cluster.close();
    },
  };
}

test('several mutations are one: all of them, with the answers of counters, or none and where it failed', async () => {
  await using ready = await started();
  await ready.client.put('d', '{"a":1}');
  const good = await ready.mutate(
    mutationBody(
      [Op.subdocDictUpsert, XATTR | 1, 'meta.x', '"y"'],
      [Op.subdocDictUpsert, 0, 'b', '2'],
      [Op.subdocCounter, 0, 'a', '41'],
    ),
  );
  assert.equal(good.word, Status.success);
  assert.deepEqual(good.value, Buffer.from([2, 0, 0, 0, 0, 0, 2, 0x34, 0x32]));
  const bad = await ready.mutate(
    mutationBody([Op.subdocDictUpsert, 0, 'c', '3'], [Op.subdocDelete, 0, 'none', '']),
  );
  assert.deepEqual([bad.word, bad.value], [Status.multiPathFailure, Buffer.from([1, 0, 0xc0])]);
  assert.equal((await ready.client.get('d')).value.toString(), '{"a":42,"b":2}');
});

test('a missing document is created only when that is asked for', async () => {
  await using ready = await started();
  const whole = mutationBody([Op.set, 0, '', '{"a":1}']);
  assert.equal((await ready.mutate(whole)).word, Status.keyNotFound);
  assert.equal((await ready.mutate(whole, { extras: Buffer.from([1]) })).word, Status.success);
  assert.equal((await ready.mutate(whole)).word, Status.success);
});

test('xattrs come first, stay when a value is replaced, and know macros and the document', async () => {
  await using ready = await started();
  const created = await ready.mutate(
    mutationBody([Op.subdocDictUpsert, XATTR | EXPAND | 1, 'sys.cas', macro('CAS')]),
    { extras: Buffer.from([1]) },
  );
  assert.equal(created.word, Status.success);
  await ready.client.put('d', '{"v":2}');
  const found = await ready.lookUp(
    lookupBody(
      [Op.subdocGet, XATTR, 'sys.cas'],
      [Op.subdocGet, XATTR, '$document.value_bytes'],
      [Op.get, 0, ''],
      [Op.subdocGet, 0, 'none'],
    ),
  );
  const cas = Buffer.alloc(8);
  cas.writeBigUInt64LE(created.cas);
  assert.equal(found.word, Status.multiPathFailure);
  assert.deepEqual(resultsOf(found.value), [
    [0, `"0x${cas.toString('hex')}"`],
    [0, '7'],
    [0, '{"v":2}'],
    [Status.pathNotFound, ''],
  ]);
  const wrongOrder = lookupBody([Op.get, 0, ''], [Op.subdocGet, XATTR, 'sys']);
  assert.equal((await ready.lookUp(wrongOrder)).word, Status.xattrInvalidOrder);
  const unknown = mutationBody([Op.subdocDictUpsert, XATTR | EXPAND, 'y', macro('none')]);
  assert.deepEqual((await ready.mutate(unknown)).value, Buffer.from([0, 0, Status.xattrUnknownMacro]));
});

test('what is left of a deleted document is read by those who want that', async () => {
  await using ready = await started();
  await ready.mutate(
    mutationBody([Op.subdocDictUpsert, XATTR, '_sync', '1'], [Op.subdocDictUpsert, XATTR, 'mine', '2']),
    { extras: Buffer.from([1]) },
  );
  await ready.client.ask({ opcode: Op.delete, key: 'd' });
  const body = lookupBody([Op.subdocGet, XATTR, '_sync'], [Op.subdocExists, XATTR, 'mine']);
  assert.equal((await ready.lookUp(body)).word, Status.keyNotFound);
  const deleted = await ready.lookUp(body, { extras: Buffer.from([4]) });
  assert.equal(deleted.word, Status.multiPathFailureDeleted);
  assert.deepEqual(resultsOf(deleted.value), [
    [0, '1'],
    [Status.pathNotFound, ''],
  ]);
});

test('single paths are answered with their values', async () => {
  await using ready = await started();
  const { client } = ready;
  await client.put('d', '{"a":[5]}');
  const extras = Buffer.from([0, 4, 0]);
  assert.equal(
    (await client.ask({ opcode: Op.subdocGet, key: 'd', extras, value: 'a[0]' })).value.toString(),
    '5',
  );
  const pushed = { opcode: Op.subdocCounter, key: 'd', extras: Buffer.from([0, 1, 0]), value: 'n7' };
  assert.equal((await client.ask(pushed)).value.toString(), '7');
  await client.put('d', 'no JSON');
  assert.equal((await client.ask(pushed)).word, Status.documentNotJson);
});

test('a scan finds the keys of its range in their order, in pieces', async () => {
  await using ready = await started();
  const { client } = ready;
  const key = (index: number): Buffer => Buffer.from([0x6b, index]);
  const vbucket = 5;
  for (const index of [3, 1, 2, 4]) await client.put('', `value ${index}`, { key: key(index), vbucket });
  const range = { start: key(1).toString('base64'), excl_end: key(4).toString('base64') };
  const describe = (more: object): string => JSON.stringify({ range, ...more });
  const create = { opcode: Op.rangeScanCreate, vbucket };
  const empty = await client.ask({ ...create, value: describe({ range: { start: '/w==', end: '/w==' } }) });
  assert.equal(empty.word, Status.keyNotFound);
  const scan = await client.ask({ ...create, value: describe({ key_only: true }) });
  const limits = Buffer.alloc(12);
  limits.writeUInt32BE(2, 0);
  const proceed = { opcode: Op.rangeScanContinue, vbucket, extras: Buffer.concat([scan.value, limits]) };
  const first = await client.ask(proceed);
  assert.deepEqual(
    [first.word, first.value.toString('latin1')],
    [Status.rangeScanMore, '\x02k\x01\x02k\x02'],
  );
  const second = await client.ask(proceed);
  assert.deepEqual([second.word, second.value.toString('latin1')], [Status.rangeScanComplete, '\x02k\x03']);
  assert.equal((await client.ask(proceed)).word, Status.keyNotFound);
});
