/** Durable writes that wait for their replicas, where a test holds them. */
export class SyncWrites {
  readonly #pending = new Map<string, (outcome: 'commit' | 'ambiguous') => void>();
  held = false;

  isPending(vbucket: number, name: string): boolean {
    return this.#pending.has(`${vbucket} ${name}`);
  }

  /** The write is prepared; `settle` is called once when it is decided. */
  prepare(vbucket: number, name: string, settle: (outcome: 'commit' | 'ambiguous') => void): void {
    this.#pending.set(`${vbucket} ${name}`, settle);
  }

  /** Decides all that are pending, and lets later ones pass. */
  release(outcome: 'commit' | 'ambiguous'): void {
    this.held = false;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const settle of pending) settle(outcome);
  }
}
