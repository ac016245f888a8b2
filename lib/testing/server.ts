import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import { dateNow } from '../platform';
import { AnswerBuffer } from './answers';
import { Conditions } from './conditions';
import { Connection, type ConnectionHost } from './connection';
import type { Credentials } from './credentials';
import { garbage } from './fault-actions';
import { FaultBook } from './fault-book';
import type { ConnectAction, FaultRule } from './faults';
import { Handshakes } from './handshakes';
import { Listener } from './listener';
import type {
  Address,
  RestartOptions,
  ServerAge,
  ServerOperations,
  ServerOptions,
  ServerProtocol,
  StopOptions,
} from './operations';
import { type ReceivedChunk, type ReceivedCommand, Recording } from './recording';
import { PrefixCounters, statGroup } from './stat-groups';
import { Counters, generalStats, VERSION } from './stats';
import { Store } from './store';

const DEFAULT_MAX_ITEM_BYTES = 1024 * 1024;
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
const DEFAULT_MAX_CONNECTIONS = 1024;
/** The words of memcached, which a client of any protocol is told. */
const TOO_MANY_CONNECTIONS = 'ERROR Too many open connections\r\n';

/** A server in this thread. */
export class LocalServer implements ServerOperations, ConnectionHost {
  readonly faults = new FaultBook();
  readonly counters = new Counters();
  readonly answers = new AnswerBuffer();
  readonly recording: Recording | undefined;
  readonly maxItemBytes: number;
  readonly maxConnections: number;
  readonly prefixes = new PrefixCounters();
  readonly credentials: Credentials | undefined;
  version = VERSION;
  protocols: readonly ServerProtocol[] = ['binary', 'text', 'meta'];
  store: Store;
  readonly #maxBytes: number;
  readonly #clock: () => number;
  readonly #listener: Listener;
  readonly #handshakes: Handshakes | undefined;
  readonly #connections = new Set<Connection>();
  readonly #conditions = new Conditions();
  #startedAt = 0;
  #accepted = 0;
  #requests = 0;
  #running = false;
  #paused = false;

  private constructor(options: ServerOptions) {
    this.maxItemBytes = options.maxItemBytes ?? DEFAULT_MAX_ITEM_BYTES;
    this.maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#clock = options.clock ?? dateNow;
    this.credentials = options.credentials;
    this.#age(options);
    this.recording = options.record ? new Recording() : undefined;
    this.store = this.#emptyStore();
    const address = {
      host: options.host ?? '127.0.0.1',
      port: options.port ?? 0,
      path: options.path && resolve(options.path),
      secure: options.tls !== undefined,
    };
    this.#handshakes = options.tls && new Handshakes(options.tls);
    this.#listener = new Listener(address, (socket) => this.#accept(socket));
  }

  static async start(options: ServerOptions): Promise<LocalServer> {
    const server = new LocalServer(options);
    await server.#start();
    return server;
  }

  get address(): Address {
    return this.#listener.address;
  }

  async addFault(rule: FaultRule): Promise<number> {
    const id = this.faults.add(rule);
    await this.#listenOrRefuse();
    return id;
  }

  async removeFault(id: number): Promise<void> {
    this.faults.remove(id);
    await this.#listenOrRefuse();
  }

  async clearFaults(): Promise<void> {
    this.faults.clear();
    await this.#listenOrRefuse();
  }

  async faultHits(id: number): Promise<number> {
    return this.faults.hits(id);
  }

  waitForFaultHits(id: number, hits: number): Promise<void> {
    return this.#conditions.until(() => this.faults.hits(id) >= hits);
  }

  async connections(): Promise<number> {
    return this.#connections.size;
  }

  waitForConnections(count: number): Promise<void> {
    return this.#conditions.until(() => this.#connections.size === count);
  }

  waitForCommands(count: number): Promise<void> {
    return this.#conditions.until(() => this.#requests >= count);
  }

  async received(): Promise<ReceivedChunk[]> {
    return [...this.#recorded().chunks];
  }

  async commands(): Promise<ReceivedCommand[]> {
    return [...this.#recorded().commands];
  }

  async disconnectAll({ reset }: StopOptions): Promise<void> {
    // Only these: a client may be back before the last of them is gone.
    const ended = [...this.#connections];
    this.#handshakes?.end();
    for (const connection of ended) connection.end(reset ? 'reset' : 'close');
    await this.#conditions.until(() => !ended.some((connection) => this.#connections.has(connection)));
  }

  async pause(): Promise<void> {
    this.#paused = true;
    this.#handshakes?.pause();
    for (const connection of this.#connections) connection.pause();
  }

  async resume(): Promise<void> {
    this.#paused = false;
    this.#handshakes?.resume();
    for (const connection of this.#connections) connection.resume();
  }

  async stop(options: StopOptions): Promise<void> {
    this.#running = false;
    this.#listener.close();
    await this.disconnectAll(options);
  }

  async restart(options: RestartOptions): Promise<void> {
    await this.stop(options);
    this.#age(options);
    if (!options.keepData) this.store = this.#emptyStore();
    await this.#start();
  }

  /** What is not said stays. */
  #age({ version = this.version, protocols = this.protocols }: ServerAge): void {
    this.version = version;
    this.protocols = protocols;
  }

  async flush(): Promise<void> {
    this.store.flush();
  }

  async stats(): Promise<Record<string, string>> {
    return this.#generalStats();
  }

  async close(): Promise<void> {
    await this.stop({});
    this.#conditions.abandon(new Error('The server was closed before this happened'));
  }

  statistics(group: string): Readonly<Record<string, string | number>> | undefined {
    if (group === '') return this.#generalStats();
    const { address, maxItemBytes, maxConnections, store, prefixes } = this;
    const maxBytes = this.#maxBytes;
    const authenticates = this.credentials !== undefined;
    return statGroup(group, {
      address,
      maxBytes,
      maxItemBytes,
      maxConnections,
      authenticates,
      store,
      prefixes,
    });
  }

  #generalStats(): Record<string, string> {
    return generalStats({
      counters: this.counters,
      store: this.store,
      version: this.version,
      connections: this.#connections.size,
      startedAt: this.#startedAt,
      now: this.#clock(),
      maxBytes: this.#maxBytes,
    });
  }

  handled(requests: number): void {
    this.#requests += requests;
    this.#conditions.check();
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection);
    this.#conditions.check();
  }

  async #start(): Promise<void> {
    this.#running = true;
    this.#startedAt = this.#clock();
    await this.#listenOrRefuse();
  }

  async #listenOrRefuse(): Promise<void> {
    if (this.#running && !this.faults.refuses) await this.#listener.open();
    else this.#listener.close();
  }

  #accept(socket: Socket): void {
    if (this.#connections.size + (this.#handshakes?.size ?? 0) >= this.maxConnections) {
      this.counters.rejected_connections += 1;
      socket.on('error', () => undefined);
      socket.resume().end(TOO_MANY_CONNECTIONS, () => socket.destroy());
      return;
    }
    const index = this.#accepted++;
    this.counters.total_connections += 1;
    const action = this.faults.forConnection(index);
    if (this.#handshakes === undefined || action?.kind === 'reset' || action?.kind === 'silent')
      this.#serve(new Connection(index, socket, this), action);
    else
      this.#handshakes.begin(socket, (secured) =>
        this.#serve(new Connection(index, secured, this, socket), action),
      );
  }

  #serve(connection: Connection, action: Exclude<ConnectAction, { kind: 'refuse' }> | undefined): void {
    this.#connections.add(connection);
    if (action?.kind === 'reset') {
      connection.end('reset');
    } else if (action?.kind === 'silent') {
      connection.ignore();
    } else {
      if (action?.kind === 'banner') connection.banner(garbage(action));
      if (this.#paused) connection.pause();
      connection.serve();
    }
    this.#conditions.check();
  }

  #emptyStore(): Store {
    return new Store({ clock: this.#clock, maxBytes: this.#maxBytes, maxItemBytes: this.maxItemBytes });
  }

  #recorded(): Recording {
    if (this.recording === undefined)
      throw new Error('Start the server with { record: true } to keep what it receives');
    return this.recording;
  }
}
