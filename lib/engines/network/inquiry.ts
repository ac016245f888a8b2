import type { ServerAddress } from '../../cluster/connection-string';
import { Endpoint, type SocketAddress } from '../../cluster/endpoint';
import { nameToVerify, type Tls } from '../../cluster/tls';
import type { EventBase, Registration } from '../../event-base/event-base';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { onAbort, reasonOf } from '../../transactions/abort';
import { commonFlagsTranscoder } from '../../transactions/transcoder';
import type { Management } from '../management';
import { causeError, endingError } from './causes';
import { Completions } from './completions';
import type { Wire } from './dialect';
import { Handshakes } from './handshakes';
import { NOTHING_IS_SLOW } from './options';
import { Parameters } from './parameters';

/** A question for one server. */
export interface Question {
  readonly server: ServerAddress;
  readonly wire: Wire;
  readonly tls: Tls | undefined;
  /** An OP_… for servers, with its argument. */
  readonly code: number;
  readonly argument: string;
  /** Instead of an argument, of operations that have one. */
  readonly value?: Uint8Array | undefined;
  /** ms for everything, including the lookup of the server's name. */
  readonly timeout: number;
  /** Bytes. */
  readonly longestAnswer: number;
  /** Cancels the question, which rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

export interface Answer {
  /** SUCCESS, or why there is no value. */
  readonly status: number;
  /** The value, or the server's text for an error. */
  readonly bytes: Buffer;
  /** The number of `bytes` that come before the value, of protocols that have them. */
  readonly beside: number;
}

/**
 * Asks one server one question, over a separate connection on the management base. Each address of the server is tried
 * once. Rejects with an error whose message does not name the server; with AuthenticationError if the server refuses the
 * login. It does not keep the process alive.
 */
export function inquire(question: Question, management: Management): Promise<Answer> {
  return new Promise((resolve, reject) => new Inquiry(question, management, resolve, reject));
}

/** ms: the only time limit is that of one timer, which also covers a move to another base. */
const NEVER = 0x7fffffff;

class Inquiry {
  readonly #question: Question;
  readonly #management: Management;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #timer: Registration;
  readonly #stopListening: () => void;
  #addresses: readonly SocketAddress[] = [];
  #base: EventBase | undefined;
  #native: NativeClient | undefined;
  #handshakes: Handshakes | undefined;
  #completions = new Completions(commonFlagsTranscoder);
  /** How many connections have failed. */
  #failures = 0;
  #lastFault: Error | undefined;
  #isOver = false;

  constructor(
    question: Question,
    management: Management,
    resolve: (answer: Answer) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#question = question;
    this.#management = management;
    this.#resolve = resolve;
    this.#reject = reject;
    const { timeout } = question;
    this.#timer = management.timer(timeout, () => this.#fail(new Error(`no answer within ${timeout} ms`)));
    this.#stopListening = onAbort(question.signal, (reason) => this.#fail(reason));
    if (question.signal.aborted) this.#fail(reasonOf(question.signal));
    this.#begin().catch((error) => this.#fail(error));
  }

  async #begin(): Promise<void> {
    const endpoint = new Endpoint(this.#question.server);
    this.#addresses = endpoint.addresses ?? (await endpoint.resolve());
    this.#ask();
  }

  #ask(): void {
    if (this.#isOver) return;
    const { server, wire, tls, code, argument, value, timeout, longestAnswer } = this.#question;
    const { words } = new Parameters(NEVER);
    const options = {
      connectTimeout: Math.ceil(timeout / Math.max(1, this.#addresses.length)),
      backoffMin: 1,
      backoffMax: 1,
      silenceLimit: NEVER,
      tls: tls?.context,
      offline: layout.OFFLINE_WAIT,
      connections: 1,
      maxWritten: 1,
      maxOperations: 1,
      maxQueuedBytes: 1,
      slow: NOTHING_IS_SLOW,
      maxValue: longestAnswer,
      isBackground: true,
    };
    this.#base = this.#management.openBase;
    const native = this.#base.createClient(
      options,
      words,
      this.#completions.records,
      () => this.#drain(),
      this.#onBaseClosed,
    );
    this.#native = native;
    this.#handshakes = new Handshakes(native, wire);
    native.addServer(0, wire.protocol, wire.handshake, nameToVerify(server, tls), false, false);
    words[layout.PARAM_CODE] = code;
    if (value === undefined) native.submitTo(0, argument);
    else native.submitValueTo(0, value);
    native.flush(layout.FLUSH_ALL);
    native.setAddresses(0, this.#addresses, 0);
  }

  /** Asks again on another base, within the same time limit. */
  readonly #onBaseClosed = (): void => {
    this.#drain();
    this.#completions = new Completions(commonFlagsTranscoder);
    try {
      this.#ask();
    } catch (error) {
      this.#fail(error);
    }
  };

  #drain(): boolean {
    const native = this.#native;
    if (native === undefined) return false;
    for (let count = this.#completions.take(native); count > 0; count = this.#completions.take(native))
      for (let i = 0; i < count; i += 1) this.#read(native, i * layout.RECORD_WORDS);
    return false;
  }

  #read(native: NativeClient, at: number): void {
    const { records } = this.#completions;
    const word = records[at + layout.RECORD_OUTCOME] as number;
    const outcome = word & layout.OUTCOME_MASK;
    const cause = records[at + layout.RECORD_DETAIL] as number;
    const flags = records[at + layout.RECORD_FLAGS] as number;
    if (outcome === layout.OUTCOME_ENDED) this.#base?.release(this.#onBaseClosed);
    if (this.#isOver) return;
    if (outcome === layout.OUTCOME_ANSWERED) {
      const bytes = this.#completions.bytes(native, at);
      const status = word >>> layout.OUTCOME_STATUS_SHIFT;
      this.#end(() => this.#resolve({ status, bytes, beside: flags }));
    } else if (outcome === layout.OUTCOME_DISCONNECTED) {
      this.#failures += 1;
      const said = this.#completions.bytes(native, at);
      const fault = this.#handshakes?.ended(0, cause, flags >>> 8);
      this.#lastFault = endingError({ cause, said, fault });
      if (this.#failures >= this.#addresses.length) this.#fail(this.#lastFault);
    } else if (outcome === layout.OUTCOME_HANDSHAKE) {
      void this.#handshakes?.answered(0, flags, cause, this.#completions.bytes(native, at));
    } else if (outcome === layout.OUTCOME_OFFLINE) {
      this.#fail(this.#lastFault); // the login was refused
    } else if (outcome === layout.OUTCOME_LOST || outcome === layout.OUTCOME_REFUSED) {
      this.#fail(causeError(cause));
    }
  }

  #fail(reason: unknown): void {
    this.#end(() => this.#reject(reason));
  }

  #end(conclude: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer.cancel();
    this.#stopListening();
    this.#native?.close();
    conclude();
  }
}
