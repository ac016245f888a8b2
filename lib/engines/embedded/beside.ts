import type { Root, Snapshot } from './lmdb';

/**
 * Reads outside a write transaction that is held open across turns. The lmdb package would route all reads of the
 * thread through that transaction, as if its writes were committed. This class makes the package forget the
 * transaction: single reads see the committed state, and ranges have to name the snapshot of it.
 */
export class Beside {
  readonly #root: Root;
  #snapshot: Snapshot | undefined;
  #writeTransaction: unknown;

  constructor(root: Root) {
    this.#root = root;
  }

  /** For ranges without a snapshot of their own; undefined while no write transaction is held open. */
  get range(): { readonly transaction: Snapshot } | undefined {
    return this.#snapshot && { transaction: this.#snapshot };
  }

  /**
   * Called in the write transaction. Nothing may be read or written in it before resume() is called within it, or end()
   * after it.
   */
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
