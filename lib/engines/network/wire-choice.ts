import * as layout from '../../native/layout';
import type { Wire } from './dialect';

/** After both have been refused: so many attempts in one before the other is tried again. */
const MOST_REFUSALS = 8;

/** When the first attempt in the other protocol is to be made. The refusal is none that should make anybody wait, or one of many. */
export type Change = 'at once' | 'after a pause';

/**
 * In which of the protocols that its server may speak, at most two, a client speaks to it: what the first connection shows, and
 * every later one. `isBetter` tells by its version whether a server is to be spoken to in the first.
 */
export class WireChoice {
  /** No connection has shown yet that the server speaks it, and there is another one to try. */
  isGuess: boolean;
  /** That the server speaks it, by an answer: its version on a connection, or that it does not know the other one. */
  isKnown: boolean;
  readonly #wires: readonly Wire[];
  readonly #isBetter: (version: string) => boolean;
  #index: number;
  /** Of one that was connected, or is new: none of its connections has been refused since. */
  #isTrusted = true;
  /** As long as it is the same server: it does not speak the first, whatever version it says. */
  #isOfTheSecond = false;
  #refusals = 0;

  /** `hint`: the name of the one that it was last seen to speak. */
  constructor(wires: readonly Wire[], isBetter: (version: string) => boolean, hint: string | undefined) {
    this.#wires = wires;
    this.#isBetter = isBetter;
    this.#index = Math.max(
      0,
      wires.findIndex(({ name }) => name === hint),
    );
    this.isGuess = this.isOpen;
    this.isKnown = !this.isOpen || this.wire.name === hint;
  }

  /** There is another one than wire. */
  get isOpen(): boolean {
    return this.#wires.length > 1;
  }

  get wire(): Wire {
    return this.#wires[this.#index] as Wire;
  }

  /** Who listens did not shake hands, for `cause`. undefined: the next attempt is to be made in the same protocol. */
  refused(cause: number): Change | undefined {
    if (!this.isOpen) return undefined;
    this.#refusals += 1;
    const isTelling = this.#isTrusted && (this.isGuess || isAnswer(cause));
    if (!isTelling && this.#refusals < MOST_REFUSALS) return undefined;
    if (this.#index !== 0) this.#isOfTheSecond = false;
    else if (isAnswer(cause)) this.#isOfTheSecond = true;
    this.#index = 1 - this.#index;
    this.#refusals = 0;
    this.isGuess = this.#isTrusted = false;
    this.isKnown = isAnswer(cause);
    return isTelling ? 'at once' : 'after a pause';
  }

  /**
   * There is a connection. true: the other one is to be tried. It is tried once for a connection that comes about: who hung up
   * on it or was silent may have been away, or only claims to be of that version.
   */
  connected(version: string): boolean {
    this.#refusals = 0;
    this.#isTrusted = true;
    this.isGuess = this.#index !== 0 && !this.#isOfTheSecond && this.#isBetter(version);
    if (this.isGuess) {
      this.#index = 0;
      this.#isOfTheSecond = true;
    }
    this.isKnown = !this.isGuess;
    return this.isGuess;
  }

  /** The last connection has ended: the next may be one to another version of the server. */
  lost(): void {
    this.#isOfTheSecond = false;
  }
}

/** It said something, and did not merely hang up or say nothing. */
export const isAnswer = (cause: number): boolean =>
  cause > layout.CAUSE_PROTOCOL && cause !== layout.CAUSE_END_OF_STREAM && cause !== layout.CAUSE_SILENCE;
