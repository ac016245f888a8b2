import type {
  Database,
  DetailedRecord,
  GetManyOptions,
  MutationResult,
  PartialResult,
  RecordResult,
  SchedulingContext,
  Transactions,
} from '../../lib/index.ts';
import { is } from './same.mts';

interface User {
  readonly name: string;
}

/** What each operation resolves to, the same wherever it is called. */
export async function results(db: Transactions, partial: boolean): Promise<void> {
  is<unknown>()(await db.get('k'), true);
  is<User | undefined>()(await db.get<User>('k'), true);
  is<RecordResult<User> | undefined>()(await db.getRecord<User>('k'), true);
  is<Map<string, unknown>>()(await db.getMany(['k']), true);
  is<Map<string, User>>()(await db.getMany<User>(new Set(['k'])), true);
  is<Map<string, User>>()(await db.getMany<User>(['k'], { timeout: 1, partial: false }), true);
  is<PartialResult<User>>()(await db.getMany<User>(['k'], { partial: true }), true);
  const passOn = (options?: GetManyOptions) => db.getMany<User>(['k'], options);
  is<Map<string, User> | PartialResult<User>>()(await passOn(), true);
  is<Map<string, User> | PartialResult<User>>()(await db.getMany<User>(['k'], { partial }), true);
  is<User | undefined>()(await db.getAndTouch<User>('k', { ttl: 1 }), true);
  is<boolean>()(await db.exists('k'), true);
  is<boolean>()(await db.remove('k'), true);
  is<boolean>()(await db.touch('k', { expiresAt: new Date() }), true);
  is<bigint | undefined>()(await db.increment('k'), true);
  is<bigint | undefined>()(await db.decrement('k', { delta: 1, initial: 1n }), true);
  for (const written of [db.insert('k', 1), db.upsert('k', null), db.replace('k', {}), db.append('k', 'x')]) {
    is<MutationResult>()(await written, true);
  }
  is<DetailedRecord<User> | undefined>()(await db.getDetails<User>('k'), true);
  is<boolean>()(await db.invalidate('k', { staleFor: 60, cas: 1n }), true);
  const record = await db.getRecord<User>('k');
  is<User | undefined>()(record?.value, true);
  is<number | undefined>()(record?.flags, true);
  is<bigint | undefined>()(record?.cas, true);
  // @ts-expect-error a record may be missing
  record.value;
  // @ts-expect-error results are read only
  if (record !== undefined) record.flags = 1;
}

/** A value that is loaded has the loader's type, but for undefined. */
export async function loads(db: Database, find: () => Promise<User | null>): Promise<void> {
  const options = { ttl: 60, staleFor: 30, lease: 10, timeout: 100 };
  is<User | null | undefined>()(await db.getOrLoad('k', find, options), true);
  is<string | undefined>()(await db.getOrLoad('k', ({ key }) => key, { ttl: (value) => value.length }), true);
  is<number | undefined>()(await db.getOrLoad<number>('k', () => undefined, options), true);
  // @ts-expect-error for how long?
  void db.getOrLoad('k', find, {});
  // @ts-expect-error there is nobody to load
  void db.getOrLoad('k', options);
  // @ts-expect-error a loader runs between operations, and not in a context
  void db.enter().getOrLoad('k', find, options);
}

/** Keys are strings, values of append are text or bytes. */
export function keysAndValues(db: Transactions): void {
  void db.prepend('k', new Uint8Array(1));
  // @ts-expect-error a key is a string
  void db.get(1);
  // @ts-expect-error a key is a string
  void db.get(Buffer.from('k'));
  // @ts-expect-error a value is missing
  void db.upsert('k');
  // @ts-expect-error not a string and not bytes
  void db.append('k', 1);
  // @ts-expect-error keys are strings
  void db.getMany([1]);
  // @ts-expect-error keys are an iterable of strings
  void db.getMany(1);
}

/** Each operation takes the options that mean something to it. */
export function options(db: Transactions, signal: AbortSignal): void {
  void db.get('k', { timeout: 1, signal });
  void db.insert('k', 1, { timeout: 1, signal, ttl: 1 });
  void db.upsert('k', 1, { timeout: 1, signal, expiresAt: new Date(), cas: 1n });
  void db.increment('k', { timeout: 1, signal, ttl: 1, delta: 1, initial: 1n });
  // @ts-expect-error reading needs no ttl
  void db.get('k', { ttl: 1 });
  // @ts-expect-error what is new has no version yet
  void db.insert('k', 1, { cas: 1n });
  // @ts-expect-error the flags of the record stay, and so does its ttl
  void db.append('k', 'x', { ttl: 1 });
  // @ts-expect-error a version is a bigint
  void db.upsert('k', 1, { cas: 1 });
  // @ts-expect-error a moment is a Date
  void db.upsert('k', 1, { expiresAt: Date.now() });
  // @ts-expect-error touch needs to know the new time
  void db.touch('k');
  // @ts-expect-error counters have no fractions, and no text
  void db.increment('k', { delta: '1' });
  // @ts-expect-error a signal, not its controller
  void db.get('k', { signal: new AbortController() });
}

/** schedule() resolves to what its function returned, each member of an array awaited. */
export async function scheduling(db: Database): Promise<void> {
  is<User | undefined>()(await db.schedule((ctx) => ctx.get<User>('k')), true);
  is<[number | undefined, MutationResult]>()(
    await db.schedule((ctx): [Promise<number | undefined>, Promise<MutationResult>] => [
      ctx.get<number>('k'),
      ctx.upsert('k', 1),
    ]),
    true,
  );
  is<[boolean, 7]>()(await db.schedule((ctx) => [ctx.exists('k'), 7] as const), true);
  is<boolean[]>()(await db.schedule((ctx) => ['a', 'b'].map((key) => ctx.exists(key))), true);
  is<void>()(await db.schedule(() => {}), true);
  is<number>()(await db.schedule(async () => 1), true);
  const context: SchedulingContext = db.enter();
  is<number>()(context.size, true);
  is<void>()(context.leave(), true);
  is<void>()(context.fail(), true);
  // @ts-expect-error contexts do not nest
  context.enter();
  // @ts-expect-error how much is staged is not up to the caller
  context.size = 0;
}
