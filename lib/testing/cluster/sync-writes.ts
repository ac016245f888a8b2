/** The durable writes that a test holds. */
export class SyncWrites {
  readonly #pending = new Map<string, (outcome: 'commit' | 'ambiguous') => void>();
  held = false;

  isPending(vbucket: number, name: string): boolean {
    return this.#pending.has(`${vbucket} ${name}`);
  }

  /** Adds a prepared write. `settle` is called once, when the write is decided. */
  prepare(vbucket: number, name: string, settle: (outcome: 'commit' | 'ambiguous') => void): void {
    this.#pending.set(`${vbucket} ${name}`, settle);
  }

  /** Decides all pending writes and stops holding new ones. */
  release(outcome: 'commit' | 'ambiguous'): void {
    this.held = false;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const settle of pending) settle(outcome);
  }
}
