import type { Root, Snapshot } from './lmdb';

/**
 * How a thread reads while a write transaction of LMDB is open in it and others have their turns. The lmdb package has all
 * reads of the thread go by that transaction then, as if what it has written were committed. Here it is made to forget
 * it: single reads go by what is committed; what goes through several keys has to name the snapshot of it.
 */
export class Beside {
  readonly #root: Root;
  #snapshot: Snapshot | undefined;
  #writeTransaction: unknown;

  constructor(root: Root) {
    this.#root = root;
  }

  /** For ranges that name no snapshot of their own; undefined while no write transaction is held open. */
  get range(): { readonly transaction: Snapshot } | undefined {
    return this.#snapshot && { transaction: this.#snapshot };
  }

  /** In the write transaction: nothing more is read or written in it, until resume() in it or end() after it. */
  begin(): void {
    if (this.#snapshot !== undefined) return;
    const internals = this.#internals;
    this.#writeTransaction = internals.writeTxn;
    internals.writeTxn = null;
    internals.isBeside = true;
    this.#root.resetReadTxn();
    this.#snapshot = this.#root.useReadTransaction();
  }

  resume(): void {
    this.end();
    this.#internals.writeTxn = this.#writeTransaction;
  }

  end(): void {
    this.#snapshot?.done();
    this.#snapshot = undefined;
    this.#internals.isBeside = false;
  }

  get #internals(): { writeTxn: unknown; isBeside: boolean } {
    return (this.#root as unknown as { readonly env: { writeTxn: unknown; isBeside: boolean } }).env;
  }
}
