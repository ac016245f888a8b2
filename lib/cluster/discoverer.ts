import { messageOf } from '../arguments';
import { AuthenticationError, ClosedError, ConnectionError } from '../errors';
import type { Registration, Timers } from '../event-base/event-base';
import { escapeControls } from '../text';
import { type HostPort, nameOfServer, type ServerAddress } from './connection-string';
import type { ClusterConfig } from './discovery';

/** Asks one server. Rejects with an error whose message does not name the server, or with the signal's reason. */
export type AskServer = (server: ServerAddress, signal: AbortSignal) => Promise<ClusterConfig>;

/** Whom it tells of other servers; what it throws leaves all as it is. */
export type Follower = (servers: readonly HostPort[]) => void;

/** Servers that are asked at a time, should no endpoint answer. */
const TOGETHER = 16;

/** Learns from configuration endpoints which servers there are, and asks again now and then. */
export class Discoverer {
  readonly #endpoints: readonly ServerAddress[];
  readonly #askServer: AskServer;
  readonly #timers: Timers;
  readonly #interval: number;
  /** Of the newest list; the servers are those of the list that holds. */
  #version = -1;
  #servers: readonly HostPort[] = [];
  #timer: Registration | undefined;
  /** They end the questions under way. */
  readonly #stops = new Set<AbortController>();
  #closedFor: Error | undefined;

  /** `interval`: ms from one answer to the next question. */
  constructor(endpoints: readonly ServerAddress[], askServer: AskServer, timers: Timers, interval: number) {
    this.#endpoints = endpoints;
    this.#askServer = askServer;
    this.#timers = timers;
    this.#interval = interval;
  }

  /** The servers there are by now. Rejects when nobody says: with ConnectionError, or AuthenticationError when that is why. */
  async first(): Promise<readonly HostPort[]> {
    const { version, servers } = await this.#ask(this.#endpoints);
    this.#version = version;
    this.#servers = servers.map(({ host, port }) => ({ host, port }));
    return this.#servers;
  }

  /** From here on, until close(). */
  follow(follower: Follower): void {
    if (this.#closedFor !== undefined) return;
    this.#timer = this.#timers.timer(this.#interval, () => {
      this.#askAll()
        .then((config) => this.#take(config, follower))
        .catch(() => {}) // the list that there is holds
        .finally(() => this.follow(follower));
    });
  }

  /** Who waits for first() waits in vain, for this reason. */
  close(reason: Error = new ClosedError('the database is closed')): void {
    this.#closedFor ??= reason;
    this.#timer?.cancel();
    for (const stop of this.#stops) stop.abort(reason);
  }

  /** An answer may be older than the one before, of a server that has not heard of it. */
  #take({ version, servers }: ClusterConfig, follower: Follower): void {
    if (this.#closedFor !== undefined || version <= this.#version) return;
    this.#version = version;
    const found = servers.map(({ host, port }) => ({ host, port }));
    try {
      follower(found);
      this.#servers = found;
    } catch (error) {
      const text = `discovery: version ${version} of the list of servers is not followed: ${messageOf(error)}`;
      process.emitWarning(escapeControls(text), { type: 'EvenkeelWarning', code: 'EVENKEEL_DISCOVERY' });
    }
  }

  /** A server knows the others too, should the endpoints be away. */
  async #askAll(): Promise<ClusterConfig> {
    try {
      return await this.#ask(this.#endpoints);
    } catch (error) {
      for (let from = 0; from < this.#servers.length; from += TOGETHER) {
        const some = this.#servers.slice(from, from + TOGETHER);
        const config = await this.#ask(some).catch(() => undefined);
        if (config !== undefined) return config;
      }
      throw error;
    }
  }

  /** All of them at once, so that nobody waits for those that are silent: the first list counts. */
  async #ask(whom: readonly ServerAddress[]): Promise<ClusterConfig> {
    if (this.#closedFor !== undefined) throw this.#closedFor;
    const stop = new AbortController();
    this.#stops.add(stop);
    try {
      return await Promise.any(whom.map((server) => this.#askServer(server, stop.signal)));
    } catch (error) {
      if (this.#closedFor !== undefined) throw this.#closedFor;
      throw faultOf(whom, (error as AggregateError).errors);
    } finally {
      this.#stops.delete(stop);
      stop.abort(new ClosedError('another one has answered'));
    }
  }
}

function faultOf(whom: readonly ServerAddress[], faults: readonly unknown[]): Error {
  const isRefused = faults.every((fault) => fault instanceof AuthenticationError);
  const Kind = isRefused ? AuthenticationError : ConnectionError;
  return new Kind(`discovery: ${whom.map(nameOfServer).join(', ')}: ${messageOf(faults[0])}`, {
    cause: faults.length === 1 ? faults[0] : new AggregateError(faults),
    context: { op: 'connect' },
  });
}
