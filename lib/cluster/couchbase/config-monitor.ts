import { ClosedError } from '../../errors';
import type { Registration } from '../../event-base/event-base';
import { type HostPort, nameOfServer } from '../connection-string';
import type { Timers } from '../resolver';
import { type AskForConfiguration, Bootstrap } from './bootstrap';
import type { ClusterState, Configurations } from './configurations';
import type { Revision } from './revision';

export interface MonitorOptions {
  readonly seeds: readonly HostPort[];
  /** ms between two questions to servers in turn, unless each of them tells by itself; Infinity: none. */
  readonly pollInterval: number;
  /** ms that one server is given to answer; others are asked sooner. */
  readonly timeout: number;
}

/** ms from an answer to the next question, whoever wants it. */
const SHORTEST_PAUSE = 50;
const LONGEST_PAUSE = 1000;
/** ms after which another server is asked, too: a dead one must not hold up those who wait for a newer configuration. */
const PATIENCE = 250;

/** Keeps the configuration current: decides when to ask which server, and takes what servers tell by themselves. */
export class ConfigMonitor {
  readonly #configurations: Configurations;
  readonly #ask: AskForConfiguration;
  readonly #timers: Timers;
  readonly #options: MonitorOptions;
  readonly #stopListening: () => void;
  /** Names of servers that tell by themselves of what is new. */
  readonly #telling = new Set<string>();
  #bootstrap: Bootstrap | undefined;
  #poll: Registration | undefined;
  #question: Registration | undefined;
  #pause: Registration | undefined;
  #isWanted = false;
  /** Those that are to be asked until one of them answers; undefined: all in turn, when somebody wants to know. */
  #round: readonly HostPort[] | undefined;
  /** Questions without an answer, one after the other. */
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

  /** Why the last one that was told was not taken, or the last question not answered. */
  get fault(): unknown {
    return this.#fault;
  }

  /** The first configuration, within so many ms or Infinity; from then on it is kept current. Rejects as Bootstrap.state does. */
  async first(timeout: number): Promise<ClusterState> {
    if (this.#closedFor !== undefined) throw this.#closedFor;
    const { seeds, timeout: each } = this.#options;
    this.#bootstrap = new Bootstrap(seeds, this.#configurations, this.#ask, this.#timers, timeout, each);
    const state = await this.#bootstrap.state;
    if (this.#closedFor !== undefined) throw this.#closedFor;
    this.#pollLater();
    return state;
  }

  /** A server has told it by itself; whether it is the newest now. */
  told(document: string | Uint8Array, teller: HostPort): boolean {
    if (this.#closedFor !== undefined) return false;
    try {
      return this.#configurations.offer(document, teller);
    } catch (error) {
      this.#fault = error;
      return false;
    }
  }

  /** A server has told of the revision of a configuration and not of the configuration. */
  toldOf(revision: Revision, teller: HostPort): void {
    if (this.#configurations.isNews(revision)) this.refresh(teller);
  }

  /**
   * A server does not have the partition that it was asked for, and perhaps says who has. Whether something else is known of it now;
   * a newer configuration is asked for unless it has come.
   */
  misdirected(partition: number, document: string | Uint8Array | undefined, teller: HostPort): boolean {
    if (this.#closedFor !== undefined) return false;
    const isSaid = document !== undefined && document.length > 0;
    if (isSaid && this.told(document, teller)) return true;
    this.refresh();
    return this.#configurations.fastForward(partition, teller);
  }

  /** Whether a server tells by itself of what is new, which each connection to it finds out. */
  tellsByItself(server: HostPort, does: boolean): void {
    if (does) this.#telling.add(nameOfServer(server));
    else this.#telling.delete(nameOfServer(server));
  }

  /** Something has failed that a newer configuration may explain. However often it does, questions have pauses between them. */
  refresh(whom?: HostPort): void {
    if (this.#closedFor !== undefined || this.#configurations.current === undefined) return;
    this.#isWanted = true;
    if (whom !== undefined) this.#round = this.#roundFrom(whom);
    this.#askNext();
  }

  close(reason: Error = new ClosedError('the database is closed')): void {
    this.#closedFor ??= reason;
    this.#stopListening();
    this.#bootstrap?.cancel(this.#closedFor);
    for (const timer of [this.#poll, this.#question, this.#pause]) timer?.cancel();
  }

  #pollLater(): void {
    const { pollInterval } = this.#options;
    if (this.#closedFor !== undefined || pollInterval === Number.POSITIVE_INFINITY) return;
    this.#poll = this.#timers.timer(Math.max(pollInterval, SHORTEST_PAUSE), () => {
      this.#pollLater();
      if (!this.#servers().every((server) => this.#telling.has(nameOfServer(server)))) this.refresh();
    });
  }

  #askNext(): void {
    if (!this.#isWanted || this.#question !== undefined || this.#pause !== undefined) return;
    const [server, ...others] = this.#round ?? this.#roundFrom(undefined);
    if (server === undefined) return;
    this.#round = undefined;
    this.#isWanted = false;
    const { timeout } = this.#options;
    const question = this.#timers.timer(Math.min(timeout, PATIENCE), () => this.#ended(question, others));
    this.#question = question;
    this.#answerOf(server, timeout).then(
      () => this.#answered(question, others),
      (error) => {
        this.#fault = error;
        this.#ended(question, others);
      },
    );
  }

  async #answerOf(server: HostPort, timeout: number): Promise<void> {
    const document = await this.#ask(server, this.#configurations.known, timeout);
    if (document !== undefined && this.#closedFor === undefined) this.#configurations.offer(document, server);
  }

  /** Also by an answer that comes late the others need not be asked any more. */
  #answered(question: Registration, others: readonly HostPort[]): void {
    this.#failures = 0;
    if (this.#question === question) {
      this.#rest();
    } else if (this.#round === others) {
      this.#round = undefined;
      this.#isWanted = false;
    }
  }

  /** There is no answer, or none yet: it is the others' turn. */
  #ended(question: Registration, others: readonly HostPort[]): void {
    if (this.#question !== question) return;
    this.#failures += 1;
    if (others.length > 0) {
      this.#isWanted = true;
      this.#round ??= others;
    }
    this.#rest();
  }

  #rest(): void {
    this.#question?.cancel();
    this.#question = undefined;
    if (this.#closedFor !== undefined) return;
    const doublings = Math.max(0, Math.min(this.#failures, 16) - 1);
    const pause = Math.min(SHORTEST_PAUSE * 2 ** doublings, LONGEST_PAUSE);
    this.#pause = this.#timers.timer(pause, () => {
      this.#pause = undefined;
      this.#askNext();
    });
  }

  /** Each server once, one after the other first; then the seeds, should all servers have moved. */
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
    for (const name of this.#telling) if (!names.has(name)) this.#telling.delete(name);
  }
}
