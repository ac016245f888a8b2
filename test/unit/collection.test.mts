import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { encodeLookup, encodeMutation } from '../../lib/engines/couchbase/sub-document/encode.ts';
import {
  BackpressureError,
  ConnectionError,
  InvalidArgumentError,
  UnsupportedError,
} from '../../lib/errors.ts';
import { type CollectionView, ScopeView } from '../../lib/transactions/collection.ts';
import type { Compound, Submitter } from '../../lib/transactions/compound.ts';
import type { DocumentEngine } from '../../lib/transactions/documents.ts';
import { Kind, type Operation } from '../../lib/transactions/operation.ts';
import { RecordResult } from '../../lib/transactions/results.ts';
import { sub } from '../../lib/transactions/sub-document/specs.ts';
import type { Target } from '../../lib/transactions/target.ts';
import { commonFlagsTranscoder } from '../../lib/transactions/transcoder.ts';

const NOW = 1_700_000_000_000;

/** Takes operations and answers none by itself. */
class Recording implements Target, Submitter {
  readonly transcoder = commonFlagsTranscoder;
  readonly timeout = 1000;
  readonly operations: Operation[] = [];
  readonly cancelled: Operation[] = [];
  readonly refusals: string[] = [];
  copies: readonly number[] = [0, 1, 2];
  onSubmit: (operation: Operation) => void = () => {};

  get last(): Operation {
    const last = this.operations.at(-1);
    assert.ok(last);
    return last;
  }

  now(): number {
    return NOW;
  }

  documents(): DocumentEngine {
    return {
      encodeLookup,
      encodeMutation,
      checkCollection: ({ name }) => {
        if (name === '') throw new InvalidArgumentError('no name', { context: { argument: 'collection' } });
      },
      copiesOf: () => this.copies,
    };
  }

  dispatch<T>(operation: Operation): Promise<T> {
    const promise = operation.promise<T>();
    this.submit(operation);
    return promise;
  }

  dispatchMany<R>(many: Compound<R>): Promise<R> {
    many.start(this);
    return many.promise;
  }

  refused(op: string): void {
    this.refusals.push(op);
  }

  available(): number {
    return 100;
  }

  check(): void {}

  submit(operation: Operation): void {
    this.onSubmit(operation);
    this.operations.push(operation);
  }

  cancel(operation: Operation): void {
    this.cancelled.push(operation);
  }

  wait(): void {}
  stopWaiting(): void {}
}

function view(): { readonly target: Recording; readonly orders: CollectionView } {
  const target = new Recording();
  return { target, orders: new ScopeView(target, 'shop').collection('orders') };
}

const refuses = (argument: string) => (error: unknown) =>
  error instanceof InvalidArgumentError && error.context.argument === argument;

const record = (value: unknown): RecordResult<unknown> => new RecordResult(value, 0, 0, 7);

test('every operation of a collection says which it is', () => {
  const { target, orders } = view();
  void orders.get('a');
  void orders.upsert('a', 1, { ttl: 5 });
  void orders.getMany(['a', 'b']);
  void orders.lookupIn('a', [sub.get('x')]);
  void orders.getAllReplicas('a');
  assert.equal(target.operations.length, 8);
  for (const { collection } of target.operations)
    assert.deepEqual(collection, { scope: 'shop', name: 'orders' });
  assert.throws(() => new ScopeView(target, 'shop').collection(''), refuses('collection'));
});

describe('a write', () => {
  test('carries its durability, and whether the record keeps its expiry', () => {
    const { target, orders } = view();
    void orders.insert('a', 1, { durability: 'majority' });
    assert.equal(target.last.details?.document?.durability, 'majority');
    void orders.replace('a', 1, { preserveExpiry: true });
    assert.equal(target.last.details?.document?.preservesExpiry, true);
    assert.equal(target.last.details?.document?.durability, undefined);
    const durable = { durability: 'persistToMajority' } as const;
    for (const write of [
      () => orders.remove('a', durable),
      () => orders.increment('a', durable),
      () => orders.append('a', 'x', durable),
    ]) {
      void write();
      assert.equal(target.last.details?.document?.durability, 'persistToMajority');
    }
    void orders.upsert('a', 1, { ttl: 1 });
    assert.equal(target.last.details?.document, undefined);
  });

  test('refuses what contradicts itself or is not known', () => {
    const { target, orders } = view();
    assert.throws(() => orders.upsert('a', 1, { durability: 'most' as never }), refuses('durability'));
    assert.throws(() => orders.upsert('a', 1, { preserveExpiry: 1 as never }), refuses('preserveExpiry'));
    const both = { preserveExpiry: true, ttl: 5 };
    assert.throws(() => orders.upsert('a', 1, both), refuses('preserveExpiry'));
    assert.throws(() => orders.mutateIn('a', [sub.remove('x')], both), refuses('preserveExpiry'));
    assert.throws(() => orders.insert('a', 1, { preserveExpiry: true } as never), refuses('options'));
    assert.deepEqual(target.refusals, ['upsert', 'upsert', 'upsert', 'mutateIn', 'insert']);
    assert.equal(target.operations.length, 0);
  });
});

describe('parts of documents', () => {
  test('are asked for as one operation', () => {
    const { target, orders } = view();
    const specs = [sub.get('a'), sub.exists('b')] as const;
    void orders.lookupIn('k', specs, { timeout: 5 });
    assert.equal(target.last.kind, Kind.lookupIn);
    assert.deepEqual(target.last.value, encodeLookup(specs).value);
    assert.deepEqual(target.last.details?.document?.lookup?.positions, [0, 1]);
    assert.equal(target.last.details?.timeout, 5);
  });

  test('are changed as one operation, with a version, an expiry and semantics', () => {
    const { target, orders } = view();
    void orders.mutateIn('k', [sub.upsert('a', 1)], { cas: 0x100000002n, ttl: 60, durability: 'majority' });
    const { details } = target.last;
    assert.deepEqual([details?.casHigh, details?.casLow, details?.expiry], [1, 2, 60]);
    assert.equal(details?.document?.semantics, 'replace');
    assert.equal(details?.document?.durability, 'majority');
    void orders.mutateIn('k', [sub.upsert('a', 1)], { storeSemantics: 'insert' });
    assert.equal(target.last.details?.document?.semantics, 'insert');
  });

  test('are refused at the call', () => {
    const { target, orders } = view();
    const change = [sub.upsert('a', 1)];
    assert.throws(() => orders.lookupIn('k', []), refuses('specs'));
    assert.throws(() => orders.lookupIn('k', [sub.get('a')], { cas: 1n } as never), refuses('options'));
    assert.throws(() => orders.mutateIn('k', [sub.get('a') as never]), refuses('specs'));
    assert.throws(
      () => orders.mutateIn('k', change, { storeSemantics: 'set' as never }),
      refuses('storeSemantics'),
    );
    assert.throws(() => orders.mutateIn('k', change, { storeSemantics: 'insert', cas: 1n }), refuses('cas'));
    assert.equal(target.operations.length, 0);
  });
});

test('a lock has a time, and is given up by its version', () => {
  const { target, orders } = view();
  void orders.getAndLock('k', 14.2);
  assert.deepEqual([target.last.kind, target.last.details?.expiry], [Kind.getAndLock, 15]);
  void orders.unlock('k', 5n);
  assert.deepEqual([target.last.kind, target.last.details?.casLow], [Kind.unlock, 5]);
  for (const seconds of [0, -1, Number.NaN, '1', undefined])
    assert.throws(() => orders.getAndLock('k', seconds as never), refuses('seconds'));
  for (const cas of [undefined, 0n, 5, 2n ** 64n])
    assert.throws(() => orders.unlock('k', cas as never), refuses('cas'));
});

describe('reads of replicas', () => {
  test('resolve to the first record that a copy has, and withdraw the others', async () => {
    const { target, orders } = view();
    const read = orders.getAnyReplica<string>('k');
    const [active, first, second] = target.operations;
    assert.deepEqual(
      target.operations.map(({ kind, details }) => [kind, details?.document?.replica ?? 0]),
      [
        [Kind.getRecord, 0],
        [Kind.getReplica, 1],
        [Kind.getReplica, 2],
      ],
    );
    active?.fail(new ConnectionError('down'));
    first?.succeed(undefined);
    second?.succeed(record('x'));
    const found = await read;
    assert.deepEqual([found?.value, found?.isReplica, found?.cas], ['x', true, 7n]);
    const again = orders.getAnyReplica('k');
    const late = target.operations.slice(4);
    target.operations[3]?.succeed(record('y'));
    assert.equal((await again)?.isReplica, false);
    assert.deepEqual(target.cancelled, late);
    late[0]?.succeed(record('z'));
    late[1]?.fail(new ConnectionError('late'));
  });

  test('find nothing when the active copy has nothing, and fail when it cannot be read', async () => {
    const { target, orders } = view();
    const answer = (outcomes: readonly (Error | undefined)[]) => {
      const read = orders.getAnyReplica('k');
      for (const [i, outcome] of outcomes.entries()) {
        const operation = target.operations.at(i - outcomes.length);
        if (outcome === undefined) operation?.succeed(undefined);
        else operation?.fail(outcome);
      }
      return read;
    };
    const down = new ConnectionError('down');
    assert.equal(await answer([undefined, down, down]), undefined);
    assert.equal(await answer([undefined, undefined, undefined]), undefined);
    await assert.rejects(answer([down, undefined, new ConnectionError('other')]), down);
  });

  test('tell what all copies have, and which could not be read', async () => {
    const { target, orders } = view();
    const read = orders.getAllReplicas('k');
    const [active, first, second] = target.operations;
    second?.succeed(record('old'));
    first?.fail(new ConnectionError('down'));
    active?.succeed(record('new'));
    const { records, errors } = await read;
    assert.deepEqual(
      records.map(({ value, isReplica }) => [value, isReplica]),
      [
        ['new', false],
        ['old', true],
      ],
    );
    assert.deepEqual(
      errors.map(({ message }) => message),
      ['down'],
    );
    const failing = orders.getAllReplicas('k');
    for (const operation of target.operations.slice(3)) operation.fail(new ConnectionError('down'));
    await assert.rejects(failing, ConnectionError);
  });

  test('reject without copies, with the reason of a signal, and when nothing is accepted', async () => {
    const { target, orders } = view();
    const controller = new AbortController();
    const read = orders.getAnyReplica('k', { signal: controller.signal });
    controller.abort(new Error('no more'));
    await assert.rejects(read, /no more/);
    assert.equal(target.cancelled.length, 3);
    await assert.rejects(orders.getAnyReplica('k', { signal: controller.signal }), /no more/);
    target.copies = [];
    await assert.rejects(orders.getAnyReplica('k'), ConnectionError);
    target.copies = [0, 1];
    target.onSubmit = () => {
      throw new BackpressureError('full');
    };
    await assert.rejects(orders.getAllReplicas('k'), BackpressureError);
    target.onSubmit = () => {
      throw new InvalidArgumentError('key', { context: { argument: 'key' } });
    };
    assert.throws(() => orders.getAnyReplica(''), refuses('key'));
    assert.throws(() => orders.getAnyReplica('k', { serverGroup: 1 as never }), refuses('serverGroup'));
  });
});

describe('reads that a context starts later', () => {
  const calls: [name: string, call: (orders: CollectionView) => Promise<unknown>][] = [
    ['getAnyReplica', (orders) => orders.getAnyReplica('k')],
    ['getAllReplicas', (orders) => orders.getAllReplicas('k')],
    ['getMany', (orders) => orders.getMany(['a', 'b'])],
  ];
  for (const [name, call] of calls)
    test(`${name} rejects when one of them is refused`, async () => {
      const { target, orders } = view();
      let staged: Compound<unknown> | undefined;
      target.dispatchMany = (many) => {
        staged = many;
        return many.promise;
      };
      const read = call(orders);
      const refusal = new InvalidArgumentError('key', { context: { argument: 'key' } });
      target.onSubmit = () => {
        if (target.operations.length === 1) throw refusal;
      };
      assert.throws(() => staged?.start(target), refusal);
      staged?.discard(refusal);
      await assert.rejects(read, refusal);
      assert.ok(target.cancelled.includes(target.last));
    });
});

describe('on engines without collections', () => {
  test('an UnsupportedError names the engine and what it has not, at the call', async () => {
    for (const [url, options, engine] of [
      ['memcached://127.0.0.1:1', { lazy: true }, /memcached/],
      ['embedded:', {}, /embedded/],
    ] as [string, object, RegExp][]) {
      await using db = await connect(url, options);
      assert.equal(db.capabilities.collections, false);
      const unsupported = (feature: RegExp) => (error: unknown) =>
        error instanceof UnsupportedError && engine.test(error.message) && feature.test(error.message);
      assert.throws(() => db.scope('s'), unsupported(/scopes/));
      assert.throws(() => db.collection('c'), unsupported(/scopes/));
      const context = db.enter();
      assert.throws(() => context.collection('c'), unsupported(/scopes/));
      context.fail();
      const durable = { durability: 'majority' } as object;
      assert.throws(() => db.upsert('k', 1, durable), unsupported(/durable writes/));
      assert.throws(() => db.remove('k', durable), unsupported(/durable writes/));
      assert.throws(() => db.increment('k', durable), unsupported(/durable writes/));
      assert.throws(() => db.upsert('k', 1, { preserveExpiry: true } as object), unsupported(/time to live/));
      assert.equal(db.stats().underWay, 0);
    }
  });
});
