import type { ClassStore } from './class-store';
import type { Environment } from './environment';
import { HeldIterator } from './held';
import { latin1 } from './latin1';
import { storageError } from './lmdb';
import { Overlay } from './overlay';
import type { Stored } from './record-codec';
import type { RecordExecutor, RecordWrite, Timing } from './records';
import { type Range, scan } from './scan';
import type { Scope } from './scope';
import type { WriteBatch } from './write-batch';
import { submit, type Writer } from './writer';

/** The writes under way for a class. */
interface Writing {
  readonly keys: Map<string, number>;
  /** Writes that affect all records. */
  all: number;
  count: number;
}

/**
 * Executes operations on records of the database itself. Reads are answered at once unless the record is being written.
 */
export class DirectExecutor implements RecordExecutor {
  readonly #environment: Environment;
  readonly #writer: Writer;
  readonly #timeout: number;
  readonly #assertOpen: () => void;
  /** By class number. */
  readonly #writing = new Map<number, Writing>();

  /** `assertOpen` throws when no more operations are accepted. */
  constructor(environment: Environment, writer: Writer, timeout: number, assertOpen: () => void) {
    this.#environment = environment;
    this.#writer = writer;
    this.#timeout = timeout;
    this.#assertOpen = assertOpen;
  }

  write<T>({ name, store, key, timing, run }: RecordWrite<T>): Promise<T> {
    const { timeout = this.#timeout, signal } = timing;
    const keyName = key && latin1(key);
    let result: T;
    return new Promise<T>((resolve, reject) => {
      this.#assertOpen();
      if (signal?.aborted) throw signal.reason;
      this.#writer.submit({
        name,
        timeout,
        signal,
        size: 1,
        run: (batch) => {
          this.#environment.catalog.assertCurrent(store);
          result = inScopeOf(batch, store, run);
          batch.endTransaction();
        },
        succeed: () => {
          this.#end(store, keyName);
          resolve(result);
        },
        fail: (error) => {
          this.#end(store, keyName);
          reject(error);
        },
      });
      this.#begin(store, keyName);
    });
  }

  read(store: ClassStore, key: Buffer, timing: Timing): Stored | undefined | Promise<Stored | undefined> {
    const writing = this.#writing.get(store.id);
    if (writing !== undefined && (writing.all > 0 || writing.keys.has(latin1(key))))
      return this.#readInOrder(store, key, timing);
    this.#assertOpen();
    return this.#read(store, key);
  }

  placeOfCall(): string | undefined {
    return this.#environment.placeOfCall();
  }

  async scan(store: ClassStore, range: Range, place?: string): Promise<Iterator<Stored>> {
    this.#assertOpen();
    if (this.#writing.has(store.id))
      await this.#submit('find', { timeout: undefined, signal: undefined }, () => {});
    const environment = this.#environment;
    return new HeldIterator(environment, purposeOf(store, range), place, (snapshot) =>
      scan(store, range, environment.now(), snapshot, undefined),
    );
  }

  reading<T>(result: Promise<T>): Promise<T> {
    return result;
  }

  #read(store: ClassStore, key: Buffer): Stored | undefined {
    const environment = this.#environment;
    environment.freshen();
    try {
      const stored = store.read(key);
      const { expiresAt } = stored ?? {};
      return expiresAt !== undefined && expiresAt <= environment.now() ? undefined : stored;
    } catch (error) {
      throw storageError(error, environment.path);
    }
  }

  async #readInOrder(store: ClassStore, key: Buffer, timing: Timing): Promise<Stored | undefined> {
    let stored: Stored | undefined;
    await this.#submit('get', timing, (batch) => {
      stored = batch.read(store, key);
      batch.endTransaction();
    });
    return stored;
  }

  #submit(name: string, timing: Timing, run: Parameters<typeof submit>[1]['run']): Promise<void> {
    const { timeout = this.#timeout, signal } = timing;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return submit(this.#writer, { name, timeout, signal, size: 1, run });
  }

  /** Records a pending write of the key or, without a key, of all records of the class. */
  #begin(store: ClassStore, keyName: string | undefined): void {
    let writing = this.#writing.get(store.id);
    if (writing === undefined) {
      writing = { keys: new Map(), all: 0, count: 0 };
      this.#writing.set(store.id, writing);
    }
    writing.count += 1;
    if (keyName === undefined) writing.all += 1;
    else writing.keys.set(keyName, (writing.keys.get(keyName) ?? 0) + 1);
  }

  /** Ends what #begin() recorded. */
  #end(store: ClassStore, keyName: string | undefined): void {
    const writing = this.#writing.get(store.id) as Writing;
    const { keys } = writing;
    writing.count -= 1;
    if (keyName === undefined) writing.all -= 1;
    else if (keys.get(keyName) === 1) keys.delete(keyName);
    else keys.set(keyName, (keys.get(keyName) as number) - 1);
    if (writing.count === 0) this.#writing.delete(store.id);
  }
}

/**
 * When a write may remove other records, both are one transaction, which has to be known as a whole before it is
 * written.
 */
function inScopeOf<T>(batch: WriteBatch, store: ClassStore, run: (scope: Scope) => T): T {
  if (store.order === undefined) return run(batch);
  const overlay = new Overlay(batch, batch.now);
  const result = run(overlay);
  overlay.applyTo(batch);
  return result;
}

const purposeOf = ({ name }: ClassStore, { index }: Range): string =>
  index === undefined ? `find() of ${name}` : `find() of ${name} by ${index.name}`;
