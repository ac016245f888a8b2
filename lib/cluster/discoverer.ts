import { messageOf } from '../arguments';
import { ConnectionError } from '../errors';
import type { Registration } from '../event-base/event-base';
import { type ConfigRequest, namesOf, requestConfig } from './config-request';
import type { HostPort, ServerAddress } from './connection-string';

/** Whom it tells of other servers; what it throws leaves all as it is. */
export type Follower = (servers: readonly HostPort[]) => void;

/** Learns from a configuration endpoint which servers there are, and asks again now and then. */
export class Discoverer {
  readonly #endpoints: readonly ServerAddress[];
  readonly #request: ConfigRequest;
  readonly #interval: number;
  /** Of the list that holds. */
  #version = -1;
  #servers: readonly HostPort[] = [];
  #timer: Registration | undefined;
  #isClosed = false;

  /** `interval`: ms from one answer to the next question. */
  constructor(endpoints: readonly ServerAddress[], request: ConfigRequest, interval: number) {
    this.#endpoints = endpoints;
    this.#request = request;
    this.#interval = interval;
  }

  /** The servers there are by now. Rejects with ConnectionError when nobody says. */
  async first(): Promise<readonly HostPort[]> {
    await this.#ask(this.#endpoints);
    return this.#servers;
  }

  /** From here on, until close(). */
  follow(follower: Follower): void {
    if (this.#isClosed) return;
    this.#timer = this.#request.timers.timer(this.#interval, () => {
      // A server knows the others too, should the endpoint be away.
      this.#ask([...this.#endpoints, ...this.#servers])
        .then((isNews) => {
          if (isNews && !this.#isClosed) follower(this.#servers);
        })
        .catch(() => {}) // the list that there is holds
        .finally(() => this.follow(follower));
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** Whether there is another list: an answer may be older than the one before, of a server that has not heard of it. */
  async #ask(whom: readonly ServerAddress[]): Promise<boolean> {
    let fault: unknown;
    for (const server of whom) {
      try {
        const { version, servers } = await requestConfig(server, this.#request);
        if (version <= this.#version) return false;
        this.#version = version;
        this.#servers = servers.map(({ host, port }) => ({ host, port }));
        return true;
      } catch (error) {
        fault = error;
      }
    }
    throw new ConnectionError(`discovery: ${namesOf(whom)}: ${messageOf(fault)}`, {
      cause: fault,
      context: { op: 'connect' },
    });
  }
}
