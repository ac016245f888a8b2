// The clock of a run: warm-up, then the measured span. The loops tick it, because a contender that never lets the
// event loop turn would never see a timer; a timer ticks it too, because a slow contender ticks rarely.

export type Marks = { operations: number; time: number; cpu: NodeJS.CpuUsage };

export class Phases {
  running = true;
  operations = 0;
  readonly #warmup: number;
  readonly #measured: number;
  readonly #onMeasured: () => void;
  #phaseEnd = Number.POSITIVE_INFINITY;
  #start: Marks | undefined;
  #end: Marks | undefined;

  /** `onMeasured` is called as the measured span begins. */
  constructor(warmupSeconds: number, measuredSeconds: number, onMeasured: () => void) {
    this.#warmup = warmupSeconds * 1000;
    this.#measured = measuredSeconds * 1000;
    this.#onMeasured = onMeasured;
  }

  begin(): void {
    this.#enter(this.#warmup);
  }

  /** Counts finished operations; cheap enough to be called for every one. */
  finished(count: number): void {
    const before = this.operations;
    this.operations = before + count;
    if (((before ^ this.operations) & ~63) !== 0) this.#tick();
  }

  /** What was used between the marks. */
  measured(): { operations: number; seconds: number; cpuMicros: number } {
    if (!this.#start || !this.#end) throw new Error('the load ended before its time');
    const cpu = (m: Marks) => m.cpu.user + m.cpu.system;
    return {
      operations: this.#end.operations - this.#start.operations,
      seconds: (this.#end.time - this.#start.time) / 1000,
      cpuMicros: cpu(this.#end) - cpu(this.#start),
    };
  }

  #enter(milliseconds: number): void {
    this.#phaseEnd = performance.now() + milliseconds;
    setTimeout(() => this.#tick(), milliseconds + 1);
  }

  #tick(): void {
    if (!this.running || performance.now() < this.#phaseEnd) return;
    const marks = { operations: this.operations, time: performance.now(), cpu: process.cpuUsage() };
    if (!this.#start) {
      this.#start = marks;
      this.#onMeasured();
      this.#enter(this.#measured);
    } else {
      this.#end = marks;
      this.running = false;
    }
  }
}
