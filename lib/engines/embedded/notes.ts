import { invalidArgument } from '../../arguments';
import type { Notes, Pen } from '../../events/change-log';
import type { Transaction as PublicTransaction } from '../../transactions/transaction';
import type { Environment } from './environment';
import { peek, type Tree } from './lmdb';
import { Transaction } from './transaction';
import { submit, type Writer } from './writer';

/** Small texts in a separate tree. */
export class TreeNotes implements Notes {
  readonly #environment: Environment;
  readonly #tree: Tree;
  readonly #writer: Writer;
  readonly #lastWriter: Writer;
  readonly #timeout: number;

  /** `lastWriter` belongs to the whole connection and closes after the writers of its event bases. */
  constructor(environment: Environment, writer: Writer, lastWriter: Writer, timeout: number) {
    this.#environment = environment;
    this.#tree = environment.trees.subscriptions;
    this.#writer = writer;
    this.#lastWriter = lastWriter;
    this.#timeout = timeout;
  }

  read(name: string): string | undefined {
    this.#environment.assertOpen();
    return peek(this.#tree, Buffer.from(name))?.toString();
  }

  list(prefix: string): string[] {
    this.#environment.assertOpen();
    const names: string[] = [];
    const range = { ...this.#environment.beside.range, start: Buffer.from(prefix), end: undefined };
    for (const key of this.#tree.getKeys(range)) {
      const name = Buffer.from(key).toString();
      if (!name.startsWith(prefix)) break;
      names.push(name);
    }
    return names;
  }

  write<T>(work: (pen: Pen) => T): Promise<T> {
    return this.#writeBy(this.#writer, work);
  }

  writeLast<T>(work: (pen: Pen) => T): Promise<T> {
    return this.#writeBy(this.#writer.isClosed ? this.#lastWriter : this.#writer, work);
  }

  async #writeBy<T>(writer: Writer, work: (pen: Pen) => T): Promise<T> {
    let result: T | undefined;
    await submit(writer, {
      name: 'subscription',
      timeout: this.#timeout,
      signal: undefined,
      size: 1,
      run: () => {
        result = work(this.#pen());
      },
    });
    return result as T;
  }

  enlist(transaction: PublicTransaction, work: (pen: Pen) => void, onCommitted: () => void): void {
    if (!(transaction instanceof Transaction) || !transaction.isOf(this.#environment))
      throw invalidArgument('transaction', 'transaction is one of this database that is under way');
    // If one of several pieces of work throws, nothing of the others may be written. Therefore all decide before
    // anything is written, each seeing the decisions of those before it.
    const prepare = (decided: Map<string, string | undefined>): (() => void) => {
      const names = new Set<string>();
      work({
        read: (name) => (decided.has(name) ? decided.get(name) : this.read(name)),
        write: (name, text) => {
          decided.set(name, text);
          names.add(name);
        },
      });
      return () => {
        for (const name of names) this.#pen().write(name, decided.get(name));
      };
    };
    transaction.enlist(prepare, onCommitted);
  }

  #pen(): Pen {
    return {
      read: (name) => this.read(name),
      write: (name, text) => {
        if (text === undefined) this.#tree.removeSync(Buffer.from(name));
        else this.#tree.putSync(Buffer.from(name), Buffer.from(text));
      },
    };
  }
}
