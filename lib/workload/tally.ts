import { LatencyRecorder } from './latency';
import { OPERATION_KINDS, type OperationKind } from './operation';

/** Codes of refusals that are normal for a cache: the operation was answered negatively. */
const OUTCOMES = new Set(['EVENKEEL_KEY_EXISTS', 'EVENKEEL_KEY_NOT_FOUND', 'EVENKEEL_CAS_MISMATCH']);
const TIMEOUT = 'EVENKEEL_TIMEOUT';

/** The counters of a run so far. */
export class Tally {
  /** Answered operations of the stream by kind, including refusals but not fills. */
  readonly answered: Record<OperationKind, number>;
  /** Refusals by code. */
  readonly outcomes = new Map<string, number>();
  /** Failed operations and fills, by error code. */
  readonly errors = new Map<string, number>();
  /** The message of the first failure with each code. */
  readonly messages = new Map<string, string>();
  /** Latencies of answered operations, and of those that timed out, because their callers waited, too. */
  readonly latency = new LatencyRecorder();
  /** Answered `get` and `gets` operations. */
  reads = 0;
  hits = 0;
  /** Writes in response to misses, in addition to the profile's mix. */
  fills = 0;
  /** Removals in place of the server's eviction, in addition to the mix. */
  evictions = 0;
  failed = 0;

  constructor() {
    this.answered = Object.fromEntries(OPERATION_KINDS.map((kind) => [kind, 0])) as Tally['answered'];
  }

  get operations(): number {
    return OPERATION_KINDS.reduce((sum, kind) => sum + this.answered[kind], 0);
  }

  get missRatio(): number | undefined {
    return this.reads === 0 ? undefined : 1 - this.hits / this.reads;
  }

  /** Counts an error of an operation. Returns whether it was only a refusal. */
  refused(error: unknown): boolean {
    const code = codeOf(error);
    if (!OUTCOMES.has(code)) return false;
    this.outcomes.set(code, (this.outcomes.get(code) ?? 0) + 1);
    return true;
  }

  /** Counts a failure; `waited` is in microseconds. */
  failure(error: unknown, waited: number): void {
    const code = codeOf(error);
    this.failed++;
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    if (!this.messages.has(code)) this.messages.set(code, messageOf(error));
    if (code === TIMEOUT) this.latency.record(waited);
  }
}

/** The stable code of an error, or its name. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'UNKNOWN';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

/** The first line of an error's message. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] ?? '';
}
