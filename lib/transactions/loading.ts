import { CasMismatchError, ClosedError, KeyNotFoundError, TimeoutError } from '../errors';
import { copyOf } from '../foreign';
import { clearTimeout, nextTick, setTimeout } from '../platform';
import { Crowd, type Patience } from './crowd';
import type { Submitter, Waiting } from './get-many';
import type { Wanted } from './load-options';
import { details, Kind, nameOf, Operation } from './operation';
import { checkEncoded, type Target } from './transactions';

/** What a read for getOrLoad() finds. */
export interface Claim {
  /** undefined: there is none. */
  readonly value: unknown;
  readonly isThere: boolean;
  /** Whoever has this is to load a new value. */
  readonly isWon: boolean;
  /** Somebody else has it. */
  readonly isTaken: boolean;
  readonly casHigh: number;
  readonly casLow: number;
}

/** Where loads have their operations executed. */
export interface LoadSite extends Target, Submitter {
  /** What `start` submits belongs to a call under way: it needs no flush() and an open database no more. */
  resume<R>(start: () => R): R;
}

const OP = nameOf(Kind.getOrLoad);

/** A loader at work, and those who wait for what it returns. */
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

  /** `onEnd`: nobody is to join any more. */
  constructor(site: LoadSite, wanted: Wanted, claim: Claim | undefined, onEnd: () => void) {
    this.#site = site;
    this.#wanted = wanted;
    this.#claim = claim;
    this.#onEnd = onEnd;
    this.#lease = setTimeout(() => this.#fail(leaseIsOver(wanted)), wanted.lease * 1000);
    this.#lease.unref();
    site.wait(this);
  }

  /** The value, each time another copy of it. */
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
    // It waits for nothing of the client.
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
    // As later readers will have it, and nobody else's.
    this.#crowd.resolveAll(
      () => new Promise((resolve) => resolve(transcoder.decode(Buffer.from(bytes), flags))),
    );
  }

  /** Whoever wrote the record, or removed it, since the load began knows better. */
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

  /** `last`: what is begun before the client may take it for idle. */
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

  /** What it throws is uncaught, and nobody else's. */
  #tell(error: unknown): void {
    const { onError, key } = this.#wanted;
    if (onError !== undefined && !(error instanceof ClosedError)) nextTick(() => onError(error, key));
  }
}

/** Gives a claim back, so that others may load at once. It would end by itself. */
export function release(site: LoadSite, key: string, { isThere, casHigh, casLow }: Claim): void {
  if (casHigh === 0 && casLow === 0) return; // without a version it may be somebody else's by now
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
