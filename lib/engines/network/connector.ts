import type { Endpoint, SocketAddress } from '../../cluster/endpoint';
import type { Sight } from '../../cluster/fleet';
import type { TopologyMonitor } from '../../cluster/topology';
import { AuthenticationError, ConnectionError, type EvenkeelError } from '../../errors';
import type { Registration, Timers } from '../../event-base/event-base';
import { isError } from '../../foreign';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { tellConnected, tellDisconnected } from '../../observability/channels';
import { nodeCounts } from '../../observability/stats';
import { performanceNow, random } from '../../platform';
import { type Ending, endingError, isProof } from './causes';
import { type Change, isAnswer, type WireChoice } from './wire-choice';

interface Waiter {
  /** The first failure is an answer, too. */
  readonly isImpatient: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/** What the connectors of a client have in common. */
export interface Surroundings {
  readonly native: NativeClient;
  readonly options: ConnectorOptions;
  readonly monitor: TopologyMonitor;
  /** Where the timers are. */
  readonly timers: Timers;
  readonly noOtherWire: string | undefined;
  /** As messages call its servers. */
  readonly engine: string;
  sees(name: string, sight: Sight): void;
}

export interface ConnectorOptions {
  readonly connectTimeout: number;
  readonly backoff: { readonly min: number; readonly max: number };
}

/** Gives a client the addresses of one server, keeps them current, and knows whether there are connections. */
export class Connector {
  /** Whom its certificate has to be for. */
  readonly host: string;
  readonly choice: WireChoice;
  #id: number;
  /** The server's id until then, while what that has is brought to its end before there is a connection under the new one. */
  #follows: number | undefined;
  readonly #endpoint: Endpoint;
  readonly counts = nodeCounts();
  readonly #surroundings: Surroundings;
  readonly #stopFollowing: () => void;
  /** Those that are established, by the ids that native code gives them. */
  readonly #connections = new Set<number>();
  /** How many have ended and have none in their place yet. */
  #ended = 0;
  readonly #waiters = new Set<Waiter>();
  #addresses: readonly SocketAddress[] | undefined;
  #failedLookups = 0;
  /** Attempts since the last connection that failed, and those of them that proved that nothing will come of waiting. */
  #failures = 0;
  #proofs = 0;
  #version: string | undefined;
  #lastFault: Error | undefined;
  /** What was answered in the other protocol since the last connection, for the end of a message. */
  #otherAnswer = '';
  /** Nobody is told of it any more. */
  #isRetired = false;
  #isOver = false;
  #nextLookup: Registration | undefined;

  /** `id`: of a server that the client has been told of. */
  constructor(id: number, host: string, endpoint: Endpoint, choice: WireChoice, surroundings: Surroundings) {
    this.#id = id;
    this.host = host;
    this.choice = choice;
    this.#endpoint = endpoint;
    this.#surroundings = surroundings;
    this.#stopFollowing = endpoint.listen((addresses) => this.#connectTo(addresses));
    if (endpoint.addresses === undefined) this.#resolveFirst();
    else this.#connectTo(endpoint.addresses);
  }

  /** The server's version while there is a connection. */
  get version(): string | undefined {
    return this.#version;
  }

  get id(): number {
    return this.#id;
  }

  /** The client knows the server by another id from here on. `when`: the next attempt to connect is made; otherwise by follow(). */
  moveTo(id: number, when: Change | 'when it is over'): void {
    this.#follows = when === 'when it is over' ? this.#id : undefined;
    this.#id = id;
    this.#ended += this.#connections.size;
    this.#connections.clear();
    if (this.#follows === undefined) this.#begin(when === 'after a pause' ? this.#failures : 0);
  }

  /** What the server had under another id is over. */
  follow(id: number): void {
    if (this.#follows !== id || this.#isOver) return;
    this.#follows = undefined;
    this.#begin();
  }

  get name(): string {
    return this.#endpoint.name;
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  /** Why there is no connection; undefined while there is one, or before the first attempt has failed. */
  get fault(): Error | undefined {
    return this.#lastFault;
  }

  /**
   * Resolves once there is a connection. Rejects with ConnectionError at the deadline, a time of performanceNow(), or as soon
   * as each address has been proven not to be such a server's: where nobody listens, one may be starting. With
   * AuthenticationError when that is the reason. Who is impatient takes the first failure for an answer.
   */
  async ready(deadline: number, isImpatient = false): Promise<void> {
    if (this.#version !== undefined || (isImpatient && this.#lastFault !== undefined)) return;
    const { timers, options } = this.#surroundings;
    const error = (): EvenkeelError => this.#error(`no answer within ${options.connectTimeout} ms`);
    let timer: Registration | undefined;
    let waiter: Waiter | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { isImpatient, resolve, reject };
        this.#waiters.add(waiter);
        timer = timers.timer(Math.max(0, deadline - performanceNow()), () => reject(error()));
      });
    } finally {
      timer?.cancel();
      if (waiter !== undefined) this.#waiters.delete(waiter);
    }
  }

  connected(connection: number, version: string): void {
    this.#connections.add(connection);
    this.counts.connections += 1;
    if (this.#ended > 0) {
      this.#ended -= 1;
      this.counts.reconnects += 1;
    }
    this.#version = version;
    this.#lastFault = undefined;
    this.#otherAnswer = '';
    this.#failures = this.#proofs = 0;
    if (this.#isRetired) return;
    const { monitor, engine } = this.#surroundings;
    monitor.update(this.#endpoint.name, { state: 'connected', version });
    for (const waiter of this.#waiters) waiter.resolve();
    this.#tell();
    tellConnected({ engine, node: this.name, version });
  }

  disconnected(connection: number, ending: Ending): void {
    const { cause } = ending;
    const wasConnected = this.#connections.delete(connection);
    const error = endingError(ending, this.#otherAnswer);
    const { noOtherWire } = this.#surroundings;
    const mayNotUnderstand = cause === layout.CAUSE_BAD_MAGIC || cause === layout.CAUSE_END_OF_STREAM;
    if (!wasConnected && mayNotUnderstand && noOtherWire !== undefined) error.message += `; ${noOtherWire}`;
    if (wasConnected) this.#ended += 1;
    else this.counts.connectErrors += 1;
    if (this.#connections.size === 0) this.#lost(error, cause, wasConnected);
    if (this.#isRetired) return;
    if (!this.#endpoint.isFixed) this.#resolveAgain();
    tellDisconnected({ engine: this.#surroundings.engine, node: this.name, error }, wasConnected);
  }

  /** It is not spoken to in this protocol any more, as disconnected() would tell. */
  refusedIn(wire: string, ending: Ending): void {
    this.#otherAnswer = isAnswer(ending.cause)
      ? `; in the ${wire} protocol ${endingError(ending).message}`
      : '';
  }

  /** There is no connection any more, or none yet. */
  #lost(error: Error, cause: number, wasConnected: boolean): void {
    this.#version = undefined;
    this.#failed(error);
    if (wasConnected) this.choice.lost();
    if (this.#isRetired) return;
    if (wasConnected) this.#tell();
    else this.#attemptFailed(cause);
  }

  #attemptFailed(cause: number): void {
    if (isProof(cause)) this.#proofs += 1;
    if (this.#proofs >= (this.#addresses?.length ?? 1))
      this.refuse(this.#error(`it is no ${this.#surroundings.engine} server`));
    this.#countFailure();
  }

  #countFailure(): void {
    this.#failures += 1;
    for (const waiter of this.#waiters) if (waiter.isImpatient) waiter.resolve();
    this.#tell();
  }

  #tell(): void {
    if (this.#isRetired) return;
    const isConnected = this.#connections.size > 0;
    this.#surroundings.sees(this.#endpoint.name, { isConnected, failures: this.#failures });
  }

  /** Who still waits for a connection waits in vain. */
  refuse(error: EvenkeelError): void {
    for (const waiter of this.#waiters) waiter.reject(error);
  }

  /** It is not one of the client's servers any more. What waits for it may still need its addresses. */
  retire(): void {
    this.#isRetired = true;
    this.refuse(this.#error('it was taken out of the servers'));
  }

  /** The client has ended, or it was retired and what it had is over. */
  stop(): void {
    if (!this.#isRetired) this.#surroundings.monitor.update(this.#endpoint.name, { state: 'closed' });
    this.#isRetired = this.#isOver = true;
    this.#stopFollowing();
    this.#nextLookup?.cancel();
  }

  #failed(lastFault: Error): void {
    this.#lastFault = lastFault;
    if (!this.#isRetired)
      this.#surroundings.monitor.update(this.#endpoint.name, { state: 'disconnected', lastFault });
  }

  #connectTo(addresses: readonly SocketAddress[]): void {
    this.#addresses = addresses;
    if (this.#follows === undefined) this.#begin();
  }

  /** `failures`: attempts that have failed in a row. */
  #begin(failures = 0): void {
    if (this.#addresses !== undefined)
      this.#surroundings.native.setAddresses(this.#id, this.#addresses, failures);
  }

  /** Asks until the name stands for something; who waits for the connection hears of the first failure. */
  #resolveFirst(): void {
    this.#endpoint.resolve().then(
      () => {}, // the endpoint has told
      (error) => {
        if (this.#isOver) return;
        const fault = isError(error) ? error : new Error(String(error));
        this.#failed(fault);
        this.refuse(this.#error('its name is unknown'));
        const { engine, options, timers } = this.#surroundings;
        const { min, max } = options.backoff;
        const ceiling = Math.min(max, min * 2 ** Math.min(this.#failedLookups, 16));
        const pause = (ceiling * (1 + random())) / 2; // half of it random, as between attempts to connect
        this.#failedLookups += 1;
        this.counts.connectErrors += 1;
        this.#countFailure();
        if (!this.#isRetired) tellDisconnected({ engine, node: this.name, error: fault }, false);
        // Operations under way keep the process alive, this does not.
        this.#nextLookup = timers.timer(pause, () => this.#resolveFirst());
      },
    );
  }

  #resolveAgain(): void {
    // The old addresses stay, and the next disconnection asks again.
    this.#endpoint.resolve().catch(() => {});
  }

  #error(otherwise: string): EvenkeelError {
    const cause = this.#lastFault;
    const message = `connect: ${this.#endpoint.name}: ${cause?.message ?? `${otherwise}${this.#otherAnswer}`}`;
    const Kind = cause instanceof AuthenticationError ? AuthenticationError : ConnectionError;
    return new Kind(message, { cause, context: { op: 'connect', node: this.#endpoint.name } });
  }
}
