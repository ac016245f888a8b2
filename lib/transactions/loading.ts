import { CasMismatchError, ClosedError, KeyNotFoundError, TimeoutError } from '../errors';
import { copyOf } from '../foreign';
import { clearTimeout, nextTick, setTimeout } from '../platform';
import type { Submitter, Waiting } from './compound';
import { Crowd, type Patience } from './crowd';
import type { Wanted } from './load-options';
import { details, Kind, nameOf, Operation } from './operation';
import type { Target } from './target';
import { checkEncoded } from './transactions';

/** The result of a read for getOrLoad(). */
export interface Claim {
  /** undefined: there is no value. */
  readonly value: unknown;
  readonly isThere: boolean;
  /** The caller has won the claim and must load a new value. */
  readonly isWon: boolean;
  /** Another client has the claim. */
  readonly isTaken: boolean;
  readonly casHigh: number;
  readonly casLow: number;
}

/** Executes the operations of loads. */
export interface LoadSite extends Target, Submitter {
  /**
   * Operations that `start` submits continue a call under way, so they neither wait for flush() nor need the database
   * to be open.
   */
  resume<R>(start: () => R): R;
}

const OP = nameOf(Kind.getOrLoad);

/** A running loader and the callers that wait for its result. */
export class Loading implements Waiting {
  readonly #site: LoadSite;
  readonly #wanted: Wanted;
  /** undefined: the server had no memory for a claim. */
  readonly #claim: Claim | undefined;
  readonly #onEnd: () => void;
  readonly #crowd = new Crowd<unknown>();
  readonly #abort = new AbortController();
  readonly #lease: NodeJS.Timeout;
  #isOver = false;

  /** `onEnd` is called when no further caller may join. */
  constructor(site: LoadSite, wanted: Wanted, claim: Claim | undefined, onEnd: () => void) {
    this.#site = site;
    this.#wanted = wanted;
    this.#claim = claim;
    this.#onEnd = onEnd;
    this.#lease = setTimeout(() => this.#fail(leaseIsOver(wanted)), wanted.lease * 1000);
    this.#lease.unref();
    site.wait(this);
  }

  /** Each caller gets its own copy of the value. */
  join(patience: Patience): Promise<unknown> {
    return this.#crowd.join(patience, () => lateError(this.#wanted.key));
  }

  async run(): Promise<void> {
    const { key, loader } = this.#wanted;
    try {
      const value = await loader({ key, signal: this.#abort.signal });
      if (this.#isOver) return;
      if (value === undefined) this.#endWithNothing();
      else this.#endWith(value);
    } catch (error) {
      this.#fail(error);
    }
  }

  proceed(): void {
    // A loader does not need room in the client.
  }

  giveUp(error: unknown): void {
    this.#fail(error);
  }

  #endWithNothing(): void {
    this.#end(() => this.#release());
    this.#crowd.resolveAll(() => undefined);
  }

  #endWith(value: unknown): void {
    const { transcoder } = this.#site;
    const { data, flags } = checkEncoded(transcoder.encode(value));
    const expiry = this.#wanted.expiryOf(value);
    const bytes = typeof data === 'string' ? Buffer.from(data) : copyOf(data);
    if (this.#isOver) return; // the user's functions may have closed the database
    this.#end(() => void this.#store(bytes, flags, expiry));
    // Each caller gets its own copy, decoded as later readers will see it.
    this.#crowd.resolveAll(
      () => new Promise((resolve) => resolve(transcoder.decode(Buffer.from(bytes), flags))),
    );
  }

  /** A record that was written or removed since the load began is left alone: it is newer. */
  async #store(data: Buffer, flags: number, expiry: number): Promise<void> {
    const { key } = this.#wanted;
    if (this.#claim === undefined) return;
    const { casHigh, casLow } = this.#claim;
    const operation = new Operation(
      Kind.upsert,
      key,
      data,
      { ...details(), expiry, casHigh, casLow },
      undefined,
    );
    operation.flags = flags;
    try {
      await this.#site.resume(() => this.#site.dispatch(operation));
    } catch (error) {
      if (error instanceof CasMismatchError || error instanceof KeyNotFoundError) return;
      this.#tell(error);
      this.#release();
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#end(() => this.#release());
    this.#abort.abort(error);
    if (this.#crowd.isEmpty) this.#tell(error);
    else this.#crowd.rejectAll(error);
  }

  /** `last` starts before the client can become idle. */
  #end(last: () => void): void {
    this.#isOver = true;
    clearTimeout(this.#lease);
    this.#onEnd();
    last();
    this.#site.stopWaiting(this);
  }

  #release(): void {
    if (this.#claim !== undefined) release(this.#site, this.#wanted.key, this.#claim);
  }

  /** An error thrown by `onError` is an uncaught exception and affects no caller. */
  #tell(error: unknown): void {
    const { onError, key } = this.#wanted;
    if (onError !== undefined && !(error instanceof ClosedError)) nextTick(() => onError(error, key));
  }
}

/** Gives a claim back so that others can load at once. Without this it ends by itself. */
export function release(site: LoadSite, key: string, { isThere, casHigh, casLow }: Claim): void {
  if (casHigh === 0 && casLow === 0) return; // without a version it may belong to another client by now
  const kind = isThere ? Kind.invalidate : Kind.remove;
  const operation = new Operation(kind, key, undefined, { ...details(), casHigh, casLow }, undefined);
  try {
    site.resume(() => site.dispatch(operation)).catch(() => {});
  } catch {
    // The database is closed.
  }
}

export function lateError(key: string): TimeoutError {
  return new TimeoutError(`${OP}: there was no value within the deadline`, { context: { op: OP, key } });
}

function leaseIsOver({ key, lease }: Wanted): TimeoutError {
  const message = `${OP}: the loader has not returned within its lease of ${lease} s`;
  return new TimeoutError(message, { context: { op: OP, key } });
}
