const DEEPEST = 200;
let made = 0;

/**
 * Determines whether the current call was made by a marked function, or by something that the function awaits. It reads
 * the stack, which includes awaiting functions.
 *
 * This costs the function nothing, unlike an AsyncLocalStorage, which follows every promise of the process. It also
 * covers only what the function waits for, not what it started and left running. The answer is no when the chain has
 * other links than `await` and `then`, or when the runtime keeps no such stacks.
 */
export class Caller {
  readonly #name: string;

  constructor() {
    made += 1;
    this.#name = `evenkeel handler ${made}`;
  }

  /** The function must not be marked elsewhere, because its name is replaced. */
  mark<F extends (...args: never[]) => unknown>(fn: F): F {
    return Object.defineProperty(fn, 'name', { value: this.#name });
  }

  get isCalling(): boolean {
    const { stackTraceLimit, prepareStackTrace } = Error;
    const here: { stack?: unknown } = {};
    try {
      Error.stackTraceLimit = DEEPEST;
      Error.prepareStackTrace = (_error, sites) => sites.map((each) => each.getFunctionName());
      Error.captureStackTrace(here);
      const { stack } = here;
      return Array.isArray(stack) ? stack.includes(this.#name) : String(stack).includes(`${this.#name} `);
    } catch {
      return false; // the process has frozen its intrinsics
    } finally {
      try {
        Error.stackTraceLimit = stackTraceLimit;
        Error.prepareStackTrace = prepareStackTrace;
      } catch {}
    }
  }
}
