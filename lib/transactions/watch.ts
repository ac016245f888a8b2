import { clearTimeout, performanceNow, random, setTimeout } from '../platform';
import type { Waiting } from './compound';
import { Crowd, type Patience } from './crowd';
import { type Claim, type LoadSite, lateError, release } from './loading';

// ms. Half of each pause is random, so that processes do not poll in step.
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 320;

/** The outcome of a watch: a claim for one of the waiting callers; the others read again. */
export interface Seen {
  readonly claim?: Claim | undefined;
}

/** Polls until another process has loaded the value, or until it has to be loaded here. */
export class Watch implements Waiting {
  readonly #site: LoadSite;
  readonly #key: string;
  readonly #read: (timeout: number) => Promise<Claim | undefined>;
  readonly #onEnd: () => void;
  readonly #crowd = new Crowd<Seen>();
  #pause = FIRST_PAUSE;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(
    site: LoadSite,
    key: string,
    read: (timeout: number) => Promise<Claim | undefined>,
    onEnd: () => void,
  ) {
    this.#site = site;
    this.#key = key;
    this.#read = read;
    this.#onEnd = onEnd;
    site.wait(this);
    this.#sleep();
  }

  join(patience: Patience): Promise<Seen> {
    return this.#crowd.join(patience, () => lateError(this.#key));
  }

  proceed(): void {
    // It waits for its timer only.
  }

  giveUp(error: unknown): void {
    if (this.#end()) this.#crowd.rejectAll(error);
  }

  #sleep(): void {
    this.#timer = setTimeout(() => void this.#look(), this.#pause / 2 + (random() * this.#pause) / 2);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
  }

  async #look(): Promise<void> {
    if (this.#crowd.isEmpty) {
      this.#end();
      return;
    }
    try {
      const claim = await this.#read(Math.max(1, Math.ceil(this.#crowd.until - performanceNow())));
      if (claim !== undefined && !claim.isWon && !claim.isThere && !this.#isOver) return this.#sleep();
      this.#endWith(claim);
    } catch (error) {
      this.giveUp(error);
    }
  }

  #endWith(claim: Claim | undefined): void {
    const isWanted = this.#end() && !this.#crowd.isEmpty;
    if (claim?.isWon && !isWanted) release(this.#site, this.#key, claim);
    this.#crowd.resolveAll(() => ({}), claim?.isWon ? { claim } : undefined);
  }

  /** Returns false when it had already ended. */
  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#onEnd();
    this.#site.stopWaiting(this);
    return true;
  }
}
