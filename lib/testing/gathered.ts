/** What is set aside before bytes arrive. */
const FIRST_ROOM = 16 * 1024;

/**
 * Bytes that arrive over several reads, in memory that grows with what arrives, whatever was announced, to exactly
 * their size. Twice as much each time, so that every byte is copied about once more.
 */
export class Gathered {
  #needed: number;
  #room: Buffer;
  #filled = 0;

  constructor(needed: number) {
    this.#needed = needed;
    this.#room = Buffer.allocUnsafeSlow(Math.min(needed, FIRST_ROOM));
  }

  get isComplete(): boolean {
    return this.#filled === this.#needed;
  }

  /** What there is by now; valid until more is taken. */
  get bytes(): Buffer {
    return this.#room.subarray(0, this.#filled);
  }

  /** More is needed than was known at first. */
  extendTo(needed: number): void {
    this.#needed = needed;
  }

  /** Takes what is needed of `chunk` from `start` on, and returns where that ends. */
  take(chunk: Buffer, start: number): number {
    const end = Math.min(chunk.length, start + this.#needed - this.#filled);
    this.#makeRoom(this.#filled + end - start);
    this.#filled += chunk.copy(this.#room, this.#filled, start, end);
    return end;
  }

  #makeRoom(size: number): void {
    if (size <= this.#room.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#needed, Math.max(size, 2 * this.#room.length)));
    this.#room.copy(larger, 0, 0, this.#filled);
    this.#room = larger;
  }
}
