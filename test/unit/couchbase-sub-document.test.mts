import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decodeLookup,
  decodeMutation,
  mutationError,
} from '../../lib/engines/couchbase/sub-document/decode.ts';
import { encodeLookup, encodeMutation } from '../../lib/engines/couchbase/sub-document/encode.ts';
import {
  DecodeError,
  InvalidArgumentError,
  PathExistsError,
  PathNotFoundError,
  ServerError,
} from '../../lib/errors.ts';
import { LookupResult } from '../../lib/transactions/sub-document/results.ts';
import { type LookupSpec, sub } from '../../lib/transactions/sub-document/specs.ts';

const CONTEXT = { op: 'lookupIn', key: 'k', node: 'h:1' };

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const refuses = (argument: string, words: RegExp) => (error: unknown) =>
  error instanceof InvalidArgumentError && error.context.argument === argument && words.test(error.message);

/** As the server writes what it found, in the order in which it was asked. */
function found(...entries: readonly (readonly [status: number, value: string])[]): Buffer {
  return Buffer.concat(
    entries.map(([status, value]) => {
      const header = Buffer.alloc(6);
      header.writeUInt16BE(status, 0);
      header.writeUInt32BE(Buffer.byteLength(value), 2);
      return Buffer.concat([header, Buffer.from(value)]);
    }),
  );
}

function changed(...entries: readonly (readonly [index: number, value: string])[]): Buffer {
  return Buffer.concat(
    entries.map(([index, value]) => Buffer.concat([Buffer.from([index]), found([0, value])])),
  );
}

describe('a lookup', () => {
  test('is its specs one behind the other, with opcode, flags and path', () => {
    const { value } = encodeLookup([sub.get('a.b'), sub.exists('c'), sub.count('d')]);
    assert.equal(hex(value), `c5000003${hex(Buffer.from('a.b'))}c600000163d200000164`);
  });

  test('of the empty path is one of the document', () => {
    assert.equal(hex(encodeLookup([sub.get('')]).value), '00000000');
    assert.equal(hex(encodeLookup([sub.count('')]).value), 'd2000000');
  });

  test('has extended attributes first, and gives results in the order of the caller', () => {
    const request = encodeLookup([
      sub.get('a'),
      sub.get('x', { xattr: true }),
      sub.exists('b'),
      sub.exists('y', { xattr: true }),
    ]);
    assert.equal(hex(request.value), 'c504000178c604000179c500000161c600000162');
    const body = found([0, '"x"'], [0xc0, ''], [0, '[1]'], [0, '']);
    assert.deepEqual(
      decodeLookup(request, body, CONTEXT).map((each) => each.error ?? each.value),
      [[1], 'x', true, false],
    );
  });

  test('finds undefined where there is nothing, and false of exists', () => {
    const request = encodeLookup([sub.get('a'), sub.exists('a'), sub.count('a'), sub.count('b')]);
    const outcomes = decodeLookup(request, found([0xc0, ''], [0xc0, ''], [0xc0, ''], [0, '12']), CONTEXT);
    const result = new LookupResult<unknown[]>(outcomes, 1, 2);
    assert.deepEqual(result.values, [undefined, false, undefined, 12]);
    assert.equal(result.cas, 0x100000002n);
    assert.deepEqual(result.errors, [undefined, undefined, undefined, undefined]);
  });

  test('has an error of its own for each path, which says which', () => {
    const request = encodeLookup([sub.get('a'), sub.get('b[x'), sub.get('c'), sub.get('d')]);
    const body = found([0, '1'], [0xc2, ''], [0xc1, ''], [0, '{broken']);
    const result = new LookupResult<unknown[]>(decodeLookup(request, body, CONTEXT), 0, 1);
    const [none, invalid, mismatch, broken] = result.errors;
    assert.equal(none, undefined);
    assert.ok(invalid instanceof InvalidArgumentError);
    assert.deepEqual(invalid.context, { ...CONTEXT, argument: 'path', status: 0xc2, path: 'b[x' });
    assert.ok(mismatch instanceof ServerError);
    assert.equal(mismatch.context.status, 0xc1);
    assert.ok(broken instanceof DecodeError);
    assert.equal(broken.context.path, 'd');
    assert.equal(result.at(0), 1);
    assert.throws(() => result.at(1), InvalidArgumentError);
    assert.throws(() => result.values, InvalidArgumentError);
    assert.throws(() => result.at(4), refuses('index', /below 4/));
  });

  test('is answered with whatever bytes: a result for each path, or ServerError', () => {
    const request = encodeLookup([sub.get('a'), sub.exists('b'), sub.count('c')]);
    const answer = fc.tuple(fc.constantFrom(0, 0xc0, 0xc1, 0xffff), fc.string());
    const bodies = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(answer, { maxLength: 4 }).map((entries) => found(...entries)),
    );
    fc.assert(
      fc.property(bodies, (body) => {
        try {
          assert.equal(decodeLookup(request, Buffer.from(body), CONTEXT).length, 3);
        } catch (error) {
          if (!(error instanceof ServerError)) throw error;
        }
      }),
    );
  });
});

describe('a mutation', () => {
  test('has values behind the paths, and flags for what the server is to make', () => {
    const { value } = encodeMutation([
      sub.upsert('a', { n: 1 }, { createPath: true }),
      sub.increment('n'),
      sub.decrement('m', 12),
      sub.remove('r'),
    ]);
    const json = hex(Buffer.from('{"n":1}'));
    assert.equal(
      hex(value),
      `c80100010000000761${json}cf000001000000016e31cf000001000000036d2d3132c90000010000000072`,
    );
  });

  test('adds the elements of an array as they are', () => {
    const { specs } = encodeMutation([
      sub.arrayAppend('a', [1, 'x', null]),
      sub.arrayPrepend('a', [[1]]),
      sub.arrayInsert('a[0]', [{}]),
      sub.arrayAddUnique('a', 'u'),
    ]);
    assert.deepEqual(
      specs.map(({ value }) => value),
      ['1,"x",null', '[1]', '{}', '"u"'],
    );
  });

  test('has macros in extended attributes, which come first', () => {
    const { value, positions } = encodeMutation([
      sub.upsert('', {}),
      sub.upsert('x', sub.mutationCas, { xattr: true }),
    ]);
    const macro = hex(Buffer.from('x"$' + '{Mutation.CAS}"'));
    assert.equal(hex(value), `c814000100000011${macro}01000000000000027b7d`);
    assert.deepEqual(positions, [1, 0]);
    assert.throws(() => sub.upsert('a', sub.mutationCas), refuses('value', /xattr: true/));
  });

  test('of the empty path is one of the document', () => {
    const { value } = encodeMutation([sub.replace('', 1), sub.remove('')]);
    assert.equal(hex(value), '010000000000000131' + '0400000000000000');
  });

  test('answers what counters are then, in the order of the caller', () => {
    const request = encodeMutation([
      sub.increment('a'),
      sub.upsert('b', 1),
      sub.decrement('c', 2n, { xattr: true }),
    ]);
    const body = changed([0, '-9223372036854775808'], [1, '9223372036854775807']);
    assert.deepEqual(decodeMutation(request, body), [9223372036854775807n, undefined, -9223372036854775808n]);
  });

  test('that fails has the error of the path at fault, in the order in which they were sent', () => {
    const request = encodeMutation([
      sub.insert('a', 1),
      sub.replace('b', 1),
      sub.upsert('x', 1, { xattr: true }),
    ]);
    const failing = (index: number, status: number) =>
      mutationError(request, Buffer.from([index, 0, status]), CONTEXT);
    assert.ok(failing(1, 0xc9) instanceof PathExistsError);
    assert.equal(failing(1, 0xc9).context.path, 'a');
    assert.ok(failing(2, 0xc0) instanceof PathNotFoundError);
    assert.equal(failing(2, 0xc0).context.path, 'b');
    assert.equal(failing(0, 0xc5).context.path, 'x');
    assert.match(failing(0, 0xee).message, /0xee/);
  });

  test('is answered with whatever bytes: a value for each counter, or ServerError', () => {
    const request = encodeMutation([sub.increment('a'), sub.upsert('b', 1)]);
    const entry = fc.tuple(fc.nat({ max: 3 }), fc.oneof(fc.string(), fc.integer().map(String)));
    const bodies = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(entry, { maxLength: 3 }).map((entries) => changed(...entries)),
    );
    fc.assert(
      fc.property(bodies, (body) => {
        try {
          const [counter, other] = decodeMutation(request, Buffer.from(body));
          assert.equal(typeof counter, 'bigint');
          assert.equal(other, undefined);
        } catch (error) {
          if (!(error instanceof ServerError)) throw error;
        }
        try {
          mutationError(request, Buffer.from(body), CONTEXT);
        } catch (error) {
          if (!(error instanceof ServerError)) throw error;
        }
      }),
    );
  });
});

describe('refused, naming the argument:', () => {
  test('other than 1 to 16 specs, and what is none of `sub`', () => {
    const lookups = (count: number) => Array.from({ length: count }, () => sub.get('a'));
    assert.throws(() => encodeLookup([]), refuses('specs', /1 to 16/));
    assert.throws(() => encodeLookup(lookups(17)), refuses('specs', /of 17/));
    assert.equal(encodeLookup(lookups(16)).specs.length, 16);
    assert.throws(() => encodeLookup('a' as never), refuses('specs', /"a"/));
    assert.throws(() => encodeLookup([sub.get('a'), { path: 'b' } as never]), refuses('specs', /specs\[1\]/));
    assert.throws(() => encodeLookup([sub.remove('a') as never]), refuses('specs', /specs\[0\]/));
    assert.throws(() => encodeMutation([sub.get('a') as never]), refuses('specs', /specs\[0\]/));
    const holed = [sub.get('a')];
    holed[2] = sub.get('b');
    assert.throws(() => encodeLookup(holed), refuses('specs', /specs\[1\]/));
  });

  test('paths that cannot be', () => {
    for (const path of [undefined, null, 1, {}, '\ud800', 'é'.repeat(513)])
      assert.throws(() => sub.get(path as never), refuses('path', /path/));
    assert.equal(sub.get('é'.repeat(512)).path.length, 512);
    assert.throws(() => sub.exists(''), refuses('path', /exists/));
    assert.throws(() => sub.increment(''), refuses('path', /increment/));
    assert.throws(() => sub.decrement(''), refuses('path', /decrement/));
    assert.throws(() => sub.insert('', 1), refuses('path', /insert/));
    assert.throws(() => sub.arrayInsert('', [1]), refuses('path', /arrayInsert/));
    assert.throws(() => sub.get('', { xattr: true }), refuses('path', /extended attributes/));
    assert.throws(() => sub.arrayAppend('', [1], { xattr: true }), refuses('path', /extended attributes/));
  });

  test('values, numbers and options that cannot be', () => {
    assert.throws(() => sub.upsert('a', undefined), refuses('value', /undefined/));
    assert.throws(() => sub.upsert('a', new Map()), refuses('value', /JSON/));
    assert.throws(() => sub.arrayAppend('a', []), refuses('values', /an array/));
    assert.throws(() => sub.arrayAppend('a', 'x' as never), refuses('values', /"x"/));
    assert.throws(() => sub.arrayAddUnique('a', {} as never), refuses('value', /an object/));
    for (const delta of [0, -1, 1.5, 2n ** 63n, '1'])
      assert.throws(() => sub.increment('a', delta as never), refuses('delta', /2\^63/));
    assert.throws(() => sub.get('a', { xatr: true } as never), refuses('options', /xattr/));
    assert.throws(() => sub.get('a', { xattr: 1 } as never), refuses('xattr', /true or false/));
    assert.throws(() => sub.remove('a', { createPath: true } as never), refuses('options', /createPath/));
    assert.throws(() => sub.replace('a', 1, { createPath: true } as never), refuses('options', /createPath/));
    assert.throws(() => sub.upsert('a', 1, null as never), refuses('options', /null/));
  });
});

test('specs can be used again, and a value is what it was when its spec was made', () => {
  const tags = ['a'];
  const spec = sub.upsert('tags', tags);
  tags.push('b');
  const [first, second] = [encodeMutation([spec]), encodeMutation([spec])];
  assert.deepEqual(first, second);
  assert.ok(Buffer.from(first.value).toString().endsWith('["a"]'));
});

test('any paths and values arrive as they are', () => {
  const path = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
  const one = fc.record({ path, value: fc.jsonValue(), xattr: fc.boolean(), createPath: fc.boolean() });
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 16 }), (given) => {
      const { value, positions } = encodeMutation(
        given.map(({ path, value, ...options }) => sub.upsert(path, value, options)),
      );
      const body = Buffer.from(value);
      let at = 0;
      for (const position of positions) {
        const sent = given[position];
        const [pathLength, valueLength] = [body.readUInt16BE(at + 2), body.readUInt32BE(at + 4)];
        assert.equal(body.readUInt8(at + 1), (sent?.createPath ? 1 : 0) | (sent?.xattr ? 4 : 0));
        at += 8;
        assert.equal(body.toString('utf8', at, at + pathLength), sent?.path);
        at += pathLength;
        assert.equal(body.toString('utf8', at, at + valueLength), JSON.stringify(sent?.value));
        at += valueLength;
      }
      assert.equal(at, body.length);
    }),
  );
  const lookups: LookupSpec<unknown>[] = [sub.get('a')];
  assert.equal(encodeLookup(lookups).positions.length, 1);
});
