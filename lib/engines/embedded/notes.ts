import type { Notes, Pen } from '../../events/change-log';
import type { Transaction as PublicTransaction } from '../../transactions/transaction';
import type { Environment } from './environment';
import { peek, type Tree } from './lmdb';
import { submit, type Transaction } from './transaction';
import type { Writer } from './writer';

/** Small texts in a tree of their own. */
export class TreeNotes implements Notes {
  readonly #environment: Environment;
  readonly #tree: Tree;
  readonly #writer: Writer;
  readonly #timeout: number;

  constructor(environment: Environment, writer: Writer, timeout: number) {
    this.#environment = environment;
    this.#tree = environment.trees.subscriptions;
    this.#writer = writer;
    this.#timeout = timeout;
  }

  read(name: string): string | undefined {
    this.#environment.assertOpen();
    return peek(this.#tree, Buffer.from(name))?.toString();
  }

  list(prefix: string): string[] {
    this.#environment.assertOpen();
    const names: string[] = [];
    for (const key of this.#tree.getKeys({ start: Buffer.from(prefix), end: undefined })) {
      const name = Buffer.from(key).toString();
      if (!name.startsWith(prefix)) break;
      names.push(name);
    }
    return names;
  }

  async write<T>(work: (pen: Pen) => T): Promise<T> {
    let result: T | undefined;
    await submit(this.#writer, {
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

  enlist(transaction: PublicTransaction, work: (pen: Pen) => void): void {
    (transaction as Transaction).enlist(() => work(this.#pen()));
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
