import { ClosedError } from '../../errors';
import type { Registration, Timers } from '../../event-base/event-base';
import { type HostPort, nameOfServer } from '../connection-string';
import { type AskForConfiguration, Bootstrap } from './bootstrap';
import type { ClusterState, Configurations } from './configurations';
import type { Revision } from './revision';

export interface MonitorOptions {
  readonly seeds: readonly HostPort[];
  /**
   * ms between two polls, for which the servers take turns; Infinity: no polls. No polls are made while all servers
   * push.
   */
  readonly pollInterval: number;
  /** ms for one request. */
  readonly timeout: number;
}

/** ms from an answer to the next request. */
const SHORTEST_PAUSE = 50;
const LONGEST_PAUSE = 1000;
/** ms after which the next server is asked as well, so that a dead server does not delay a new configuration. */
const PATIENCE = 250;
/** ms without pushes. Of one connection's, native code reports 64 in 100 ms. */
const QUIET = 200;

/**
 * Keeps the configuration up to date: decides when to ask which server and accepts configurations that servers push.
 */
export class ConfigMonitor {
  readonly #configurations: Configurations;
  readonly #ask: AskForConfiguration;
  readonly #timers: Timers;
  readonly #options: MonitorOptions;
  readonly #stopListening: () => void;
  /** Names of the servers that push new configurations. */
  readonly #pushing = new Set<string>();
  #bootstrap: Bootstrap | undefined;
  #poll: Registration | undefined;
  #pending: Registration | undefined;
  #pause: Registration | undefined;
  #afterPushes: Registration | undefined;
  #isWanted = false;
  /** The servers to ask until one answers; undefined: the next request starts a new round. */
  #round: readonly HostPort[] | undefined;
  /** Requests without an answer since the last answer. */
  #failures = 0;
  #turn = 0;
  #fault: unknown;
  #closedFor: Error | undefined;

  constructor(
    configurations: Configurations,
    ask: AskForConfiguration,
    timers: Timers,
    options: MonitorOptions,
  ) {
    this.#configurations = configurations;
    this.#ask = ask;
    this.#timers = timers;
    this.#options = options;
    this.#stopListening = configurations.listen((state) => this.#forgetOthers(state));
  }

  /** The last error of a request or of a pushed configuration. */
  get fault(): unknown {
    return this.#fault;
  }

  /** Gets the first configuration and starts polling. `timeout`: ms or Infinity. Rejects as Bootstrap.state does. */
  async first(timeout: number): Promise<ClusterState> {
    if (this.#closedFor !== undefined) throw this.#closedFor;
    const { seeds, timeout: each } = this.#options;
    this.#bootstrap = new Bootstrap(seeds, this.#configurations, this.#ask, this.#timers, timeout, each);
    const state = await this.#bootstrap.state;
    if (this.#closedFor !== undefined) throw this.#closedFor;
    this.#pollLater();
    return state;
  }

  /** Takes a configuration that a server has pushed. Returns whether it is new. */
  pushed(document: string | Uint8Array, origin: HostPort): boolean {
    if (this.#closedFor !== undefined) return false;
    try {
      return this.#configurations.offer(document, origin);
    } catch (error) {
      this.#fault = error;
      return false;
    }
  }

  /**
   * A server has pushed only the revision of its configuration, which is requested if it is newer. Of many pushes in a short
   * time the last ones may not come here, so the server is asked once more when there have been none for a while.
   */
  announced(revision: Revision, origin: HostPort): void {
    if (this.#closedFor !== undefined) return;
    if (this.#configurations.isNews(revision)) this.refresh(origin);
    this.#afterPushes?.cancel();
    this.#afterPushes = this.#timers.timer(QUIET, () => this.refresh(origin));
  }

  /**
   * A server has answered that it does not have a partition. `document`: the configuration in its answer, if any. Returns
   * whether the state has changed; unless the configuration was new, a newer one is requested.
   */
  notMyPartition(partition: number, document: string | Uint8Array | undefined, origin: HostPort): boolean {
    if (this.#closedFor !== undefined) return false;
    const isGiven = document !== undefined && document.length > 0;
    if (isGiven && this.pushed(document, origin)) return true;
    this.refresh();
    return this.#configurations.fastForward(partition, origin);
  }

  /** Whether a server pushes new configurations, as its connection has negotiated. */
  setPushing(server: HostPort, isPushing: boolean): void {
    if (isPushing) this.#pushing.add(nameOfServer(server));
    else this.#pushing.delete(nameOfServer(server));
  }

  /**
   * Requests a configuration, from `first` first, because an outdated one may have caused an error. May be called at
   * any rate.
   */
  refresh(first?: HostPort): void {
    if (this.#closedFor !== undefined || this.#configurations.current === undefined) return;
    this.#isWanted = true;
    if (first !== undefined) this.#round = this.#roundFrom(first);
    this.#askNext();
  }

  close(reason: Error = new ClosedError('the database is closed')): void {
    this.#closedFor ??= reason;
    this.#stopListening();
    this.#bootstrap?.cancel(this.#closedFor);
    for (const timer of [this.#poll, this.#pending, this.#pause, this.#afterPushes]) timer?.cancel();
  }

  #pollLater(): void {
    const { pollInterval } = this.#options;
    if (this.#closedFor !== undefined || pollInterval === Number.POSITIVE_INFINITY) return;
    this.#poll = this.#timers.timer(Math.max(pollInterval, SHORTEST_PAUSE), () => {
      this.#pollLater();
      if (!this.#servers().every((server) => this.#pushing.has(nameOfServer(server)))) this.refresh();
    });
  }

  #askNext(): void {
    if (!this.#isWanted || this.#pending !== undefined || this.#pause !== undefined) return;
    const [server, ...others] = this.#round ?? this.#roundFrom(undefined);
    if (server === undefined) return;
    this.#round = undefined;
    this.#isWanted = false;
    const { timeout } = this.#options;
    const request = this.#timers.timer(Math.min(timeout, PATIENCE), () => this.#ended(request, others));
    this.#pending = request;
    this.#request(server, timeout).then(
      () => this.#answered(request, others),
      (error) => {
        this.#fault = error;
        this.#ended(request, others);
      },
    );
  }

  async #request(server: HostPort, timeout: number): Promise<void> {
    const document = await this.#ask(server, this.#configurations.known, timeout);
    if (document !== undefined && this.#closedFor === undefined) this.#configurations.offer(document, server);
  }

  /** After a late answer, the other servers of the round need not be asked any more. */
  #answered(request: Registration, others: readonly HostPort[]): void {
    this.#failures = 0;
    if (this.#pending === request) {
      this.#rest();
    } else if (this.#round === others) {
      this.#round = undefined;
      this.#isWanted = false;
    }
  }

  /** There is no answer, or none yet: the other servers of the round are next. */
  #ended(request: Registration, others: readonly HostPort[]): void {
    if (this.#pending !== request) return;
    this.#failures += 1;
    if (others.length > 0) {
      this.#isWanted = true;
      this.#round ??= others;
    }
    this.#rest();
  }

  #rest(): void {
    this.#pending?.cancel();
    this.#pending = undefined;
    if (this.#closedFor !== undefined) return;
    const doublings = Math.max(0, Math.min(this.#failures, 16) - 1);
    const pause = Math.min(SHORTEST_PAUSE * 2 ** doublings, LONGEST_PAUSE);
    this.#pause = this.#timers.timer(pause, () => {
      this.#pause = undefined;
      this.#askNext();
    });
  }

  /** All servers, beginning with a different one each time, then the seeds, in case all servers have moved. */
  #roundFrom(first: HostPort | undefined): readonly HostPort[] {
    const servers = this.#servers();
    const begin = servers.length === 0 ? 0 : this.#turn % servers.length;
    this.#turn += 1;
    const inOrder = [...servers.slice(begin), ...servers.slice(0, begin), ...this.#options.seeds];
    const all = first === undefined ? inOrder : [first, ...inOrder];
    return [...new Map(all.map((server) => [nameOfServer(server), server])).values()];
  }

  #servers(): readonly HostPort[] {
    const servers = this.#configurations.current?.servers ?? [];
    return servers.filter((server) => server !== undefined);
  }

  #forgetOthers({ servers }: ClusterState): void {
    const names = new Set(servers.flatMap((server) => (server === undefined ? [] : [nameOfServer(server)])));
    for (const name of this.#pushing) if (!names.has(name)) this.#pushing.delete(name);
  }
}
