import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  ClosedError,
  ConflictError,
  type Database,
  defineClass,
  field,
  InvalidArgumentError,
  index,
  KeyExistsError,
  KeyNotFoundError,
  type RecordOf,
  type Transaction,
  uniqueIndex,
} from '../../lib/index.ts';
import { inProcess } from '../faults/elsewhere.mts';
import { Clock, onBothKinds } from './embedded.mts';
import { outcomes } from './harness.mts';

const Account = defineClass('Account', {
  key: 'id',
  fields: {
    id: field.uint32(),
    owner: field.string(),
    seat: field.optional(field.string()),
    balance: field.int64(),
    tags: field.vector(field.string()),
  },
  indexes: { byOwner: index('owner'), bySeat: uniqueIndex('seat') },
});
const Job = defineClass('Job', { key: 'id', fields: { id: field.autoid(), text: field.string() } });

const classes = [Account, Job] as const;
type AccountRecord = RecordOf<typeof Account>;
type Db = Database<typeof classes>;

const account = (id: number, more: Partial<AccountRecord> = {}): AccountRecord => ({
  id,
  owner: 'o',
  seat: undefined,
  balance: 0n,
  tags: [],
  ...more,
});
const ids = (records: readonly AccountRecord[]): number[] => records.map(({ id }) => id);
const refused = (argument: string) => (error: unknown) =>
  error instanceof InvalidArgumentError && error.context.argument === argument;

/** What another has committed by the time it returns. */
const meanwhile = (db: Db, change: (db: Db) => Promise<unknown>): Promise<unknown> => change(db);

onBothKinds('a transaction', (open) => {
  test('resolves to what its function returns, and what it wrote is there for the next read', async () => {
    await using db = await open({ classes });
    for (let i = 0; i < 30; i += 1) {
      const result = await db.transaction(async (tx) => {
        await tx.records(Account).upsert(account(1, { balance: BigInt(i) }));
        await tx.upsert('plain', i);
        return `result ${i}`;
      });
      assert.equal(result, `result ${i}`);
      assert.equal((await db.records(Account).get(1))?.balance, BigInt(i));
      assert.equal(await db.get('plain'), i);
      assert.equal((await db.records(Account).find().first())?.balance, BigInt(i));
    }
    assert.equal(await db.transaction(() => 7), 7);
  });

  test('whose function throws leaves nothing, and rejects with what it threw', async () => {
    await using db = await open({ classes });
    await db.records(Account).insert(account(1));
    const thrown = new Error('thrown');
    const attempt = db.transaction(async (tx) => {
      const accounts = tx.records(Account);
      await accounts.insert(account(2));
      await accounts.update(1, { balance: 5n });
      await tx.upsert('plain', 1);
      await tx.increment('count', { initial: 1 });
      await tx.records(Job).insert({ text: 'x' });
      throw thrown;
    });
    await assert.rejects(attempt, thrown);
    await assert.rejects(
      db.transaction(() => {
        throw thrown;
      }),
      thrown,
    );
    assert.deepEqual(await db.records(Account).find().all(), [account(1)]);
    assert.equal(await db.records(Job).find().count(), 0);
    assert.equal((await db.getMany(['plain', 'count'])).size, 0);
  });

  test('reads what it has written, by key and by every index, and others do not', async () => {
    await using db = await open({ classes });
    const outside = db.records(Account);
    for (const id of [1, 2, 3, 4]) await outside.insert(account(id, { owner: `o${id}`, seat: `s${id}` }));
    await db.transaction(async (tx) => {
      const accounts = tx.records(Account);
      await accounts.insert(account(9, { owner: 'o2', seat: 's0' }));
      await accounts.update(1, { owner: 'o9' });
      await accounts.remove(3);
      await accounts.update(4, { balance: 4n });
      assert.deepEqual(await accounts.find().all().then(ids), [1, 2, 4, 9]);
      assert.deepEqual(await accounts.find({ reverse: true, limit: 2 }).all().then(ids), [9, 4]);
      assert.deepEqual(await accounts.find({ index: 'byOwner' }).all().then(ids), [2, 9, 4, 1]);
      assert.deepEqual(await accounts.find({ index: 'byOwner', equals: 'o1' }).all(), []);
      assert.deepEqual(await accounts.find({ index: 'bySeat' }).all().then(ids), [9, 1, 2, 4]);
      assert.deepEqual(await accounts.find({ index: 'bySeat', after: 's1', limit: 1 }).all().then(ids), [2]);
      assert.equal(await accounts.find().count(), 4);
      assert.equal((await accounts.find({ index: 'byOwner', from: 'o4' }).first())?.balance, 4n);
      assert.equal(await accounts.exists(3), false);
      await accounts.insert(account(3, { seat: 's3', owner: 'again' }));
      assert.equal((await accounts.get(3))?.owner, 'again');
      await assert.rejects(accounts.insert(account(10, { seat: 's0' })), KeyExistsError);
      await assert.rejects(accounts.insert(account(9)), KeyExistsError);
      await assert.rejects(accounts.update(77, { balance: 1n }), KeyNotFoundError);
      assert.deepEqual(await outside.find().all().then(ids), [1, 2, 3, 4]);
      assert.equal((await outside.get(1))?.owner, 'o1');
    });
    assert.deepEqual(await outside.find({ index: 'byOwner' }).all().then(ids), [3, 2, 9, 4, 1]);
    assert.deepEqual(await outside.find({ index: 'bySeat' }).all().then(ids), [9, 1, 2, 3, 4]);
  });

  test('reads plain keys as it wrote them', async () => {
    await using db = await open({ classes });
    await db.upsert('a', 1);
    await db.transaction(async (tx) => {
      assert.equal(await tx.increment('a'), 2n);
      assert.equal(await tx.get('a'), 2);
      await tx.insert('b', 'b');
      await tx.append('b', '!');
      assert.equal(await tx.remove('a'), true);
      assert.deepEqual(await tx.getMany(['a', 'b', 'c']), new Map([['b', 'b!']]));
      await assert.rejects(tx.replace('a', 1), KeyNotFoundError);
      await assert.rejects(tx.insert('b', 1), KeyExistsError);
      assert.equal(await db.get('a'), 1);
    });
    assert.deepEqual(await db.getMany(['a', 'b']), new Map([['b', 'b!']]));
  });

  test('may remove all of a class and begin anew', async () => {
    await using db = await open({ classes });
    const outside = db.records(Account);
    for (let id = 1; id <= 5; id += 1) await outside.insert(account(id, { seat: `s${id}` }));
    await db.transaction(async (tx) => {
      const accounts = tx.records(Account);
      await accounts.insert(account(6));
      await accounts.remove(1);
      assert.equal(await accounts.deleteAll(), 5);
      assert.equal(await accounts.find().count(), 0);
      assert.equal(await accounts.get(2), undefined);
      await accounts.insert(account(2, { seat: 's5' }));
      await accounts.insert(account(7, { seat: 's1' }));
      assert.deepEqual(await accounts.find().all().then(ids), [2, 7]);
      assert.equal(await accounts.deleteAll(), 2);
      await accounts.insert(account(2, { seat: 's4' }));
    });
    assert.deepEqual(await outside.find().all(), [account(2, { seat: 's4' })]);
    assert.deepEqual(await outside.find({ index: 'bySeat' }).all().then(ids), [2]);
    assert.deepEqual(await outside.find({ index: 'byOwner' }).all().then(ids), [2]);
  });

  test('sees the database as it was when it began', async () => {
    await using db = await open({ classes });
    const outside = db.records(Account);
    await outside.insert(account(1));
    await db.upsert('plain', 'before');
    await db.transaction(async (tx) => {
      const accounts = tx.records(Account);
      await meanwhile(db, async (other) => {
        await other.records(Account).update(1, { owner: 'other' });
        await other.records(Account).insert(account(2));
        await other.upsert('plain', 'after');
        await setImmediate();
      });
      assert.equal((await accounts.get(1))?.owner, 'o');
      assert.equal(await accounts.get(2), undefined);
      assert.equal(await tx.get('plain'), 'before');
      assert.deepEqual(await accounts.find({ index: 'byOwner' }).all().then(ids), [1]);
      assert.deepEqual(await outside.find().all().then(ids), [1, 2]);
      await tx.upsert('else', 1);
    });
    assert.equal(await db.get('plain'), 'after');
  });

  test('counts the records it removes as it sees them', async () => {
    await using db = await open({ classes });
    await db.records(Account).insert(account(1));
    const count = await db.transaction(async (tx) => {
      await meanwhile(db, (other) => other.records(Account).insert(account(2)));
      return tx.records(Account).deleteAll();
    });
    assert.equal(count, 1);
  });

  test('that loses against another is run again, until its retries are used up', async () => {
    await using db = await open({ classes });
    await db.records(Account).insert(account(1));
    let runs = 0;
    await db.transaction(async (tx) => {
      runs += 1;
      const { balance = 0n } = (await tx.records(Account).get(1)) ?? {};
      if (runs < 3)
        await meanwhile(db, (other) => other.records(Account).update(1, { balance: balance + 10n }));
      await tx.records(Account).update(1, { balance: balance + 1n });
    });
    assert.equal(runs, 3);
    assert.equal((await db.records(Account).get(1))?.balance, 21n);
    for (const retries of [0, 2]) {
      runs = 0;
      const attempt = db.transaction(
        async (tx) => {
          runs += 1;
          await tx.increment('count', { initial: 1 });
          await meanwhile(db, (other) => other.increment('count', { initial: 100 }));
        },
        { retries },
      );
      await assert.rejects(attempt, (error) => error instanceof ConflictError && error.retryable);
      assert.equal(runs, retries + 1);
    }
    assert.equal(await db.increment('count', { delta: 0 }), 103n);
  });

  test('conflicts where another took the key, the unique value or the record that it writes', async () => {
    await using db = await open({ classes });
    await db.records(Account).insert(account(1, { seat: 'mine' }));
    const conflicts: [mine: (tx: Transaction) => Promise<unknown>, other: (db: Db) => Promise<unknown>][] = [
      [(tx) => tx.records(Account).insert(account(2)), (db) => db.records(Account).insert(account(2))],
      [
        (tx) => tx.records(Account).insert(account(3, { seat: 'taken' })),
        (db) => db.records(Account).insert(account(4, { seat: 'taken' })),
      ],
      [(tx) => tx.records(Account).update(1, { owner: 'x' }), (db) => db.records(Account).remove(1)],
      [(tx) => tx.insert('a', 1), (db) => db.insert('a', 2)],
      [(tx) => tx.upsert('a', 1), (db) => db.remove('a')],
      [(tx) => tx.upsert('b', 1), (db) => db.schedule((ctx) => ctx.remove('b'))],
      [(tx) => tx.records(Account).update(9, { owner: 'x' }), (db) => db.records(Account).deleteAll()],
      [
        (tx) => tx.records(Account).update(9, { owner: 'x' }),
        (db) => db.transaction((tx) => tx.records(Account).deleteAll()),
      ],
    ];
    await db.upsert('b', 0);
    for (const [mine, other] of conflicts) {
      await db.records(Account).upsert(account(9));
      const attempt = db.transaction(
        async (tx) => {
          await mine(tx);
          await other(db);
        },
        { retries: 0 },
      );
      await assert.rejects(attempt, ConflictError);
    }
    assert.deepEqual(await db.records(Account).find().all().then(ids), []);
  });

  test('is compared by what it writes: of two that read what the other writes both are committed', async () => {
    await using db = await open({ classes });
    for (const isWritten of [false, true]) {
      for (const id of [1, 2]) await db.records(Account).upsert(account(id, { balance: 10n }));
      let attempts = 0;
      const takeFrom = (id: number, other: number) => (tx: Transaction) => {
        attempts += 1;
        return (async () => {
          const records = tx.records(Account);
          const [mine, theirs] = [await records.get(id), await records.get(other)];
          const both = (mine?.balance ?? 0n) + (theirs?.balance ?? 0n);
          if (both >= 20n) await records.update(id, { balance: 0n });
          if (isWritten) await records.update(other, { balance: theirs?.balance ?? 0n });
        })();
      };
      await Promise.all([db.transaction(takeFrom(1, 2)), db.transaction(takeFrom(2, 1))]);
      const balances = (await db.records(Account).find().all()).map(({ balance }) => balance);
      // Who has to rely on a record that stays as it is writes it as well.
      assert.deepEqual(balances.toSorted(), isWritten ? [0n, 10n] : [0n, 0n]);
      assert.equal(attempts, isWritten ? 3 : 2);
    }
  });

  test('may exchange unique values between records', async () => {
    await using db = await open({ classes });
    const outside = db.records(Account);
    await outside.insert(account(1, { seat: 'a' }));
    await outside.insert(account(2, { seat: 'b' }));
    await outside.insert(account(3, { seat: 'c' }));
    for (let round = 0; round < 3; round += 1) {
      const before = await outside.find().all();
      await db.transaction(async (tx) => {
        const accounts = tx.records(Account);
        await accounts.update(1, { seat: undefined });
        await accounts.update(2, { seat: before[0]?.seat });
        await accounts.update(3, { seat: before[1]?.seat });
        await accounts.update(1, { seat: before[2]?.seat });
        assert.equal((await accounts.find({ index: 'bySeat', equals: before[0]?.seat }).first())?.id, 2);
      });
      const seats = (await outside.find().all()).map(({ seat }) => seat);
      assert.deepEqual(seats, [before[2]?.seat, before[0]?.seat, before[1]?.seat]);
      assert.deepEqual(
        (await outside.find({ index: 'bySeat' }).all()).map(({ seat }) => seat),
        ['a', 'b', 'c'],
      );
    }
    await db.transaction(async (tx) => {
      const accounts = tx.records(Account);
      await accounts.remove(1);
      await accounts.insert(account(5, { seat: 'a' }));
    });
    await assert.rejects(outside.insert(account(6, { seat: 'a' })), KeyExistsError);
  });

  test('takes the unique value of a record whose time is over', async () => {
    const clock = new Clock();
    await using db = await open({ classes, clock: clock.read, sweeper: false });
    const outside = db.records(Account);
    await outside.insert(account(1, { seat: 'a' }), { ttl: 10 });
    await db.upsert('plain', 1, { ttl: 10 });
    clock.advance(10);
    await db.transaction(
      async (tx) => {
        assert.equal(await tx.get('plain'), undefined);
        await tx.insert('plain', 2);
        await tx.records(Account).insert(account(2, { seat: 'a' }));
      },
      { retries: 0 },
    );
    assert.deepEqual(await outside.find({ index: 'bySeat' }).all().then(ids), [2]);
    assert.deepEqual(await outside.find().all().then(ids), [2]);
    assert.equal(await db.get('plain'), 2);
  });

  test('has records of its own: to change what was read changes nothing', async () => {
    await using db = await open({ classes });
    await db.records(Account).insert(account(2, { tags: ['kept'] }));
    await db.transaction(async (tx) => {
      const accounts = tx.records(Account);
      const inserted = await accounts.insert(account(1, { tags: ['kept'] }));
      const updated = await accounts.update(2, { balance: 1n });
      const read = await accounts.get(1);
      const found = await accounts.find().all();
      for (const each of [inserted, updated, read, ...found]) {
        assert.ok(each);
        each.owner = 'changed';
        (each.tags as string[]).push('changed');
      }
      assert.deepEqual(await accounts.get(1), account(1, { tags: ['kept'] }));
    });
    assert.deepEqual(await db.records(Account).find().all(), [
      account(1, { tags: ['kept'] }),
      account(2, { tags: ['kept'], balance: 1n }),
    ]);
  });

  test('may write while it loops over what it finds, and finds each record once', async () => {
    await using db = await open({ classes });
    for (let id = 0; id < 10; id += 1) await db.records(Account).insert(account(id));
    await db.transaction(async (tx) => {
      const accounts = tx.records(Account);
      await accounts.update(9, { balance: -1n });
      const seen: number[] = [];
      for await (const { id } of accounts.find()) {
        seen.push(id);
        if (id < 8) await accounts.update(id + 1, { balance: BigInt(id) });
        await accounts.insert(account(100 + id));
        if (id === 4) await accounts.remove(0);
      }
      assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    });
    assert.equal(await db.records(Account).find().count(), 19);
  });

  test('that has ended refuses further operations, and its loops end', async () => {
    await using db = await open({ classes });
    for (let id = 0; id < 10; id += 1) await db.records(Account).insert(account(id));
    let kept: Transaction | undefined;
    let loop: AsyncIterator<AccountRecord> | undefined;
    const unfinished = db.transaction(async (tx) => {
      kept = tx;
      loop = tx.records(Account).find()[Symbol.asyncIterator]();
      await loop.next();
    });
    await assert.rejects(unfinished, ClosedError);
    assert.ok(kept && loop);
    const [tx, rest] = [kept, loop];
    const accounts = tx.records(Account);
    for (const call of [
      () => tx.get('k'),
      () => tx.getMany(['k']),
      () => tx.upsert('k', 1),
      () => tx.checkpoint(),
      () => accounts.get(1),
      () => accounts.insert(account(77)),
      () => accounts.deleteAll(),
      () => accounts.find().all(),
      () => rest.next(),
    ])
      await assert.rejects(async () => call(), ClosedError);
    assert.equal(await db.records(Account).find().count(), 10);
  });

  test('fifty that read, add and write at once lose nothing', async () => {
    await using db = await open({ classes });
    await db.records(Account).insert(account(1));
    await Promise.all(
      Array.from({ length: 50 }, () =>
        db.transaction(
          async (tx) => {
            const accounts = tx.records(Account);
            const { balance = 0n } = (await accounts.get(1)) ?? {};
            await accounts.update(1, { balance: balance + 1n });
            const count = (await tx.get<number>('count')) ?? 0;
            await setImmediate();
            await tx.upsert('count', count + 1);
          },
          { retries: 1000 },
        ),
      ),
    );
    assert.equal((await db.records(Account).get(1))?.balance, 50n);
    assert.equal(await db.get('count'), 50);
  });

  test('keeps the sum while many move amounts between accounts', async () => {
    await using db = await open({ classes });
    for (let id = 0; id < 5; id += 1) await db.records(Account).insert(account(id, { balance: 100n }));
    const sum = async (): Promise<bigint> =>
      (await db.records(Account).find().all()).reduce((total, { balance }) => total + balance, 0n);
    let isDone = false;
    const looking = (async () => {
      while (!isDone) {
        assert.equal(await sum(), 500n);
        await setImmediate();
      }
    })();
    await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        db.transaction(
          async (tx) => {
            const accounts = tx.records(Account);
            const [from, to] = [i % 5, (i * 3 + 1) % 5];
            if (from === to) return;
            const [a, b] = [await accounts.get(from), await accounts.get(to)];
            assert.ok(a && b);
            await accounts.update(from, { balance: a.balance - 7n });
            await accounts.update(to, { balance: b.balance + 7n });
          },
          { retries: 1000 },
        ),
      ),
    );
    isDone = true;
    await looking;
    assert.equal(await sum(), 500n);
  });

  test('gives the versions of its writes once it is committed', async () => {
    await using db = await open({ classes });
    const [first, last] = await db.transaction(async (tx) => [
      await tx.upsert('a', 1),
      await tx.upsert('a', 2),
    ]);
    assert.ok(first && last && last.cas > 0n);
    assert.equal((await db.getRecord('a'))?.cas, last.cas);
    await db.replace('a', 3, { cas: last.cas });
  });

  test('is given up by its signal, and refuses bad arguments', async () => {
    await using db = await open({ classes });
    const reason = new Error('no longer wanted');
    await assert.rejects(
      db.transaction((tx) => tx.upsert('a', 1), { signal: AbortSignal.abort(reason) }),
      reason,
    );
    const controller = new AbortController();
    const aborted = db.transaction(
      async (tx) => {
        await tx.upsert('a', 1);
        controller.abort(reason);
      },
      { signal: controller.signal },
    );
    await assert.rejects(aborted, reason);
    await assert.rejects(
      db.transaction((tx) => tx.get('a', { signal: AbortSignal.abort(reason) })),
      reason,
    );
    assert.equal(await db.exists('a'), false);
    const bad: [argument: string, options: object][] = [
      ['retries', { retries: -1 }],
      ['retries', { retries: '1' }],
      ['timeout', { timeout: 0 }],
      ['timeout', { timeout: 'soon' }],
      ['signal', { signal: {} }],
      ['origin', { origin: 5 }],
      ['meta', { meta: 2n ** 70n }],
      ['meta', { meta: { f: Symbol('s') } }],
    ];
    const others = db.upsert('other', 1);
    for (const [argument, options] of bad) {
      await assert.rejects(
        db.transaction((tx) => tx.upsert('a', 1), options),
        refused(argument),
        argument,
      );
    }
    await others;
    await assert.rejects(db.transaction(undefined as never), refused('fn'));
    await assert.rejects(
      db.transaction(() => 1, null as never),
      refused('options'),
    );
  });

  test('is independent of others: many at once on different records all commit', async () => {
    await using db = await open({ classes });
    const all = Array.from({ length: 200 }, (_, i) =>
      db.transaction(
        async (tx) => {
          await tx.records(Account).insert(account(i, { seat: `s${i}` }));
          await tx.records(Job).insert({ text: `${i}` });
        },
        { retries: 0 },
      ),
    );
    assert.deepEqual(new Set(await outcomes(all)), new Set(['ok']));
    assert.equal(await db.records(Account).find({ index: 'bySeat' }).count(), 200);
    assert.equal(await db.records(Job).find().count(), 200);
  });
});

test('a transaction or a loop over records that the database is closed under rejects, and the process lives', async () => {
  const ended = await inProcess(async ({ evenkeel, say }) => {
    const { field } = evenkeel;
    const Item = evenkeel.defineClass('Item', { key: 'id', fields: { id: field.uint32() } });
    const code = (error: { code?: string }) => error.code;
    for (let round = 0; round < 20; round += 1) {
      const db = await evenkeel.connect('embedded:', { classes: [Item] });
      const items = db.records(Item);
      for (let id = 0; id < 1000; id += 1) void items.insert({ id });
      await items.find().count();
      const loop = items.find()[Symbol.asyncIterator]();
      await loop.next();
      const all = items
        .find()
        .all()
        .then(() => 'all', code);
      let inside: unknown[] = [];
      const transaction = db
        .transaction(async (tx) => {
          const own = tx.records(Item).find()[Symbol.asyncIterator]();
          await own.next();
          await db.close();
          inside = [
            await tx
              .records(Item)
              .get(5)
              .then(() => 'got', code),
            await (async () => tx.get('plain'))().then(() => 'got', code),
            await own.next().then(() => 'next', code),
            await tx
              .records(Item)
              .find()
              .all()
              .then(() => 'all', code),
          ];
          await tx.upsert('plain', 1);
        })
        .catch(code);
      const outcome = await transaction;
      const rest = await loop.next().then(() => 'next', code);
      await loop.return?.();
      if (round === 19) say(JSON.stringify([outcome, inside, rest]));
      await all;
    }
  });
  assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr);
  const closed = 'EVENKEEL_CLOSED';
  assert.deepEqual(JSON.parse(ended.lines[0] ?? 'null'), [closed, [closed, closed, closed, closed], closed]);
});
