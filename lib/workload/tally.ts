import { LatencyRecorder } from './latency';
import { OPERATION_KINDS, type OperationKind } from './operation';

/** Codes of refusals that belong to a cache's normal life: the operation was answered, the answer is no. */
const OUTCOMES = new Set(['EVENKEEL_KEY_EXISTS', 'EVENKEEL_KEY_NOT_FOUND', 'EVENKEEL_CAS_MISMATCH']);
const TIMEOUT = 'EVENKEEL_TIMEOUT';

/** What has happened in a run so far. */
export class Tally {
  /** Operations of the stream that were answered, refusals included, by kind. Fills are not among them. */
  readonly answered: Record<OperationKind, number>;
  /** Refusals by code. */
  readonly outcomes = new Map<string, number>();
  /** Operations and fills that failed, by error code. */
  readonly errors = new Map<string, number>();
  /** What the first failure of every code said. */
  readonly messages = new Map<string, string>();
  /** Of answered operations, and of those that timed out: their callers have waited, too. */
  readonly latency = new LatencyRecorder();
  /** Answered `get` and `gets`. */
  reads = 0;
  hits = 0;
  /** Writes that answered a miss on top of the profile's mix. */
  fills = 0;
  /** Removals on top of the mix that stood for the server's eviction. */
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

  /** Counts an error of an operation. Answers whether it was a mere refusal. */
  refused(error: unknown): boolean {
    const code = codeOf(error);
    if (!OUTCOMES.has(code)) return false;
    this.outcomes.set(code, (this.outcomes.get(code) ?? 0) + 1);
    return true;
  }

  /** Counts a failure; `waited` in microseconds. */
  failure(error: unknown, waited: number): void {
    const code = codeOf(error);
    this.failed++;
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    if (!this.messages.has(code)) this.messages.set(code, messageOf(error));
    if (code === TIMEOUT) this.latency.record(waited);
  }
}

/** The stable code of an error, else its name. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'UNKNOWN';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

/** The first line of what an error says. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] ?? '';
}
