import { setTimeout as delay } from 'node:timers/promises';
import { pack } from 'msgpackr';
import { invalidArgument, shown } from '../../arguments';
import { ClosedError, ConflictError, EvenkeelError, VetoError } from '../../errors';
import type { ClassDefinition } from '../../schema/class';
import type { GetMany } from '../../transactions/get-many';
import type { Operation } from '../../transactions/operation';
import type { Records } from '../../transactions/records';
import type { Transaction as PublicTransaction, TransactionOptions } from '../../transactions/transaction';
import { type Target, Transactions } from '../../transactions/transactions';
import type { Transcoder } from '../../transactions/transcoder';
import type { TransactionMarks } from './change';
import type { ClassStore, IndexStore } from './class-store';
import type { Environment, Hold } from './environment';
import { dueBy } from './expiry';
import { FROM_FIRST, peek, type Snapshot } from './lmdb';
import { type Base, Overlay, PENDING_ORDER } from './overlay';
import { checkArguments, executePlain } from './plain-operations';
import { readPlain } from './plain-store';
import type { AnyRecord, Stored } from './record-codec';
import { EmbeddedRecords, type RecordExecutor, type RecordWrite, timingOf } from './records';
import { type Range, scan } from './scan';
import { readState } from './state';
import type { Unit, Writer } from './writer';

const RETRIES = 10;
/** ms; doubles with every conflict, and is random up to that. */
const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 200;

export interface Surroundings {
  readonly environment: Environment;
  readonly writer: Writer;
  readonly transcoder: Transcoder;
  readonly timeout: number;
  store(definition: ClassDefinition): ClassStore;
}

/** Runs `fn` until what it has done is committed: again, when others were faster, up to `retries` times. */
export async function transact<R>(
  surroundings: Surroundings,
  fn: (transaction: PublicTransaction) => Promise<R> | R,
  options: TransactionOptions,
): Promise<R> {
  const { retries = RETRIES, origin, meta } = options;
  if (typeof fn !== 'function') throw invalidArgument('fn', 'fn is a function');
  if (!Number.isSafeInteger(retries) || retries < 0)
    throw invalidArgument('retries', 'retries is an integer, 0 or more');
  const { timeout = surroundings.timeout, signal } = timingOf(options);
  checkMarks(origin, meta);
  const marks: TransactionMarks | undefined =
    origin === undefined && meta === undefined ? undefined : { origin, meta };
  for (let attempt = 0; ; attempt += 1) {
    if (signal?.aborted) throw signal.reason;
    const transaction = new Transaction(surroundings);
    try {
      const result = await fn(transaction);
      await transaction.commit({ timeout, signal, marks });
      return result;
    } catch (error) {
      if (!(error instanceof ConflictError) || error !== transaction.conflict || attempt >= retries)
        throw error;
    } finally {
      transaction.end();
    }
    await delay(Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt));
  }
}

/** What cannot be told with the events would fail in the middle of a commit. */
function checkMarks(origin: unknown, meta: unknown): void {
  if (origin !== undefined && typeof origin !== 'string')
    throw invalidArgument('origin', `origin is a string, not ${shown(origin)}`);
  try {
    pack(meta);
  } catch (error) {
    throw invalidArgument('meta', 'meta is what MessagePack can say', error);
  }
}

/** One attempt: what is read is a snapshot, what is written is held back until commit(). */
export class Transaction extends Transactions implements PublicTransaction {
  readonly #surroundings: Surroundings;
  readonly #stage: Stage;
  readonly #enlisted: { readonly prepare: () => () => void; readonly onCommitted: () => void }[] = [];
  /** The error of a commit that others were faster than. */
  conflict: unknown;

  constructor(surroundings: Surroundings) {
    const stage = new Stage(surroundings);
    super(stage);
    this.#surroundings = surroundings;
    this.#stage = stage;
  }

  records<C extends ClassDefinition>(definition: C): Records<C> {
    return new EmbeddedRecords(this.#surroundings.store(definition), definition, this.#stage);
  }

  /** Has what `prepare` returns done in the commit; what it throws ends the transaction. Calls back when it is safe. */
  enlist(prepare: () => () => void, onCommitted: () => void): void {
    this.#stage.open();
    this.#enlisted.push({ prepare, onCommitted });
  }

  async checkpoint(): Promise<void> {
    this.#stage.open().checkpoint();
  }

  async commit(how: {
    readonly timeout: number;
    readonly signal: AbortSignal | undefined;
    readonly marks: TransactionMarks | undefined;
  }): Promise<void> {
    this.#stage.assertNotVetoed();
    const overlay = this.#stage.open();
    this.#stage.end();
    if (how.signal?.aborted) throw how.signal.reason;
    if (overlay.isEmpty && this.#enlisted.length === 0) return;
    await submit(this.#surroundings.writer, {
      name: 'transaction',
      timeout: how.timeout,
      signal: how.signal,
      size: 1,
      run: (batch) => {
        try {
          overlay.checkAgainst(batch);
        } catch (error) {
          this.conflict = error;
          throw error;
        }
        for (const write of this.#enlisted.map(({ prepare }) => prepare())) write();
        batch.beginTransaction(how.marks);
        overlay.applyTo(batch);
        batch.endTransaction();
      },
    });
    for (const { onCommitted } of this.#enlisted) onCommitted();
  }

  end(): void {
    this.#stage.end();
  }
}

/** The unit's outcome as a promise. */
export function submit(writer: Writer, unit: Omit<Unit, 'succeed' | 'fail'>): Promise<void> {
  return new Promise((resolve, reject) => {
    writer.submit({ ...unit, succeed: resolve, fail: reject });
  });
}

/** Where a transaction's operations go. */
class Stage implements Target, RecordExecutor {
  readonly transcoder: Transcoder;
  readonly #surroundings: Surroundings;
  readonly #hold: Hold;
  readonly #overlay: Overlay;
  #isOpen = true;
  #veto: VetoError | undefined;

  constructor(surroundings: Surroundings) {
    const { environment } = surroundings;
    this.#surroundings = surroundings;
    this.transcoder = surroundings.transcoder;
    this.#hold = environment.snapshot(() => this.end());
    const { transaction } = this.#hold;
    this.#overlay = new Overlay(new SnapshotBase(environment, transaction), environment.now());
  }

  now(): number {
    return this.#overlay.now;
  }

  /** What a hook refused cannot be committed without it, as if nothing had been. */
  assertNotVetoed(): void {
    if (this.#veto !== undefined) throw this.#veto;
  }

  open(): Overlay {
    if (!this.#isOpen) throw new ClosedError('the transaction has ended');
    return this.#overlay;
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#hold.done();
  }

  dispatch<T>(operation: Operation): Promise<T> {
    const overlay = this.open();
    checkArguments(operation.key, operation.value);
    const promise = operation.promise<T>();
    if (operation.value instanceof Uint8Array) operation.value = Buffer.from(operation.value);
    this.#execute(overlay, operation);
    return promise;
  }

  dispatchMany<T>(many: GetMany<T>): Promise<Map<string, T>> {
    const overlay = this.open();
    many.start({
      timeout: this.#surroundings.timeout,
      available: () => Number.MAX_SAFE_INTEGER,
      check: checkArguments,
      submit: (operation) => {
        checkArguments(operation.key, undefined);
        this.#execute(overlay, operation);
      },
      cancel: () => {},
      wait: () => {},
      stopWaiting: () => {},
    });
    return many.promise;
  }

  async write<T>({ store, run, name }: RecordWrite<T>): Promise<T> {
    const overlay = this.open();
    if (name === 'insert' && store.autoid !== undefined) {
      while (!this.#surroundings.environment.hasAutoid(store)) await this.#reserveAutoids(store);
    }
    try {
      const result = run(overlay);
      // What users have in their hands is theirs: nothing that they do to it is committed.
      return typeof result === 'object' ? (store.copyOf(result as AnyRecord) as T) : result;
    } catch (error) {
      if (error instanceof VetoError) this.#veto ??= error;
      throw error;
    }
  }

  read(store: ClassStore, key: Buffer): Stored | undefined {
    const overlay = this.open();
    const stored = overlay.read(store, key);
    if (stored === undefined || overlay.writesOf(store) === undefined) return stored;
    return { ...stored, record: store.copyOf(stored.record) };
  }

  async scan(store: ClassStore, range: Range): Promise<Iterator<Stored>> {
    this.open();
    return this.#guarded(scan(store, range, this.now(), this.#hold.transaction, this.#overlay));
  }

  /** What is left of a loop when the transaction ends is not there to be read any more. */
  *#guarded(found: Iterator<Stored>): Generator<Stored> {
    try {
      for (let each = found.next(); !each.done; each = found.next()) {
        yield each.value;
        this.open();
      }
    } finally {
      if (this.#isOpen) found.return?.();
    }
  }

  #execute(overlay: Overlay, operation: Operation): void {
    const signal = operation.details?.signal;
    try {
      if (signal?.aborted) throw signal.reason;
      operation.succeed(executePlain(overlay, operation, Buffer.from(operation.key), this.transcoder)());
    } catch (error) {
      operation.fail(error);
    }
  }

  /** Numbers are taken from the database before they are needed: in the transaction they would be another's, too. */
  async #reserveAutoids(store: ClassStore): Promise<void> {
    const { writer, timeout } = this.#surroundings;
    await submit(writer, {
      name: 'insert',
      timeout,
      signal: undefined,
      size: 1,
      run: (batch) => batch.refillAutoids(store),
    });
  }
}

/** A snapshot of what is committed. */
class SnapshotBase implements Base {
  readonly #environment: Environment;
  readonly #snapshot: Snapshot;

  constructor(environment: Environment, snapshot: Snapshot) {
    this.#environment = environment;
    this.#snapshot = snapshot;
  }

  read(store: ClassStore, key: Buffer): Stored | undefined {
    const stored = store.read(key, this.#snapshot);
    return this.#isGone(stored?.expiresAt) ? undefined : stored;
  }

  holder(_store: ClassStore, { tree }: IndexStore, indexKey: Buffer): Buffer | undefined {
    const key = peek(tree, indexKey, this.#snapshot);
    return key && Buffer.from(key);
  }

  readPlain(key: Buffer) {
    const record = readPlain(this.#environment.trees.plain, key, this.#snapshot);
    return this.#isGone(record?.expiresAt) ? undefined : record;
  }

  countOf({ id, records }: ClassStore): number {
    const { trees } = this.#environment;
    let count = records.getKeysCount({ ...FROM_FIRST, transaction: this.#snapshot });
    const now = this.#environment.now();
    if (readState(trees.meta, this.#snapshot).nextExpiry > now) return count;
    for (const { classId } of dueBy(trees.expiry, now, this.#snapshot)) count -= Number(classId === id);
    return count;
  }

  nextAutoid(store: ClassStore): bigint {
    const cached = this.#environment.autoids.get(store.id);
    if (cached === undefined || cached.next >= cached.end)
      throw new EvenkeelError(`${store.name}: more autoids were taken at once than were reserved`, {
        retryable: true,
      });
    cached.next += 1n;
    return cached.next - 1n;
  }

  /** Known when the record is committed. */
  noteAutoid(): void {}

  nextOrder(): number {
    return PENDING_ORDER;
  }

  #isGone(expiresAt: number | undefined): boolean {
    return expiresAt !== undefined && expiresAt <= this.#environment.now();
  }
}
