const DEEPEST = 200;
let made = 0;

/**
 * Tells whether a call is made by a function that was marked, or by something that it waits for: by the stack, which has
 * the functions that await as well. That costs the function nothing, unlike a context that follows every promise of the
 * process, and speaks of those who wait, not of what they have begun besides. Where the chain is not one of `await` and
 * `then`, or the runtime keeps no such stacks, the answer is no.
 */
export class Caller {
  readonly #name: string;

  constructor() {
    made += 1;
    this.#name = `evenkeel handler ${made}`;
  }

  /** A function that is not marked elsewhere. */
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
      return false; // who has frozen the intrinsics of the process has no answer
    } finally {
      try {
        Error.stackTraceLimit = stackTraceLimit;
        Error.prepareStackTrace = prepareStackTrace;
      } catch {}
    }
  }
}
