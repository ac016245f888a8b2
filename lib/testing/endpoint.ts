import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { Conditions } from './conditions';
import { Connection, type ConnectionHost, type Parser } from './connection';
import { garbage } from './fault-actions';
import type { FaultBook } from './fault-book';
import type { ConnectAction, FaultRule } from './faults';
import { Handshakes } from './handshakes';
import { Listener } from './listener';
import type { Address, EndpointOperations, StopOptions } from './operations';
import { type ReceivedChunk, type ReceivedCommand, Recording } from './recording';

/** What is counted of connections, by memcached's names. */
interface Traffic {
  bytes_read: number;
  bytes_written: number;
  total_connections: number;
  rejected_connections: number;
}

export interface EndpointOptions {
  readonly faults: FaultBook;
  readonly counters: Traffic;
  readonly answers: { take(): Buffer[] };
  readonly record: boolean;
  /** Further connections are told `refusal`, and ended. */
  readonly maxConnections?: number | undefined;
  readonly refusal?: string | undefined;
}

/** One address that clients connect to. */
interface Door {
  readonly listener: Listener;
  readonly handshakes: Handshakes | undefined;
}

/** Whatever listens: one server, be it at several addresses, with its connections and faults, and what it has received. */
export abstract class Endpoint implements EndpointOperations, ConnectionHost {
  readonly faults: FaultBook;
  readonly counters: Traffic;
  readonly answers: { take(): Buffer[] };
  readonly recording: Recording | undefined;
  protected readonly conditions = new Conditions();
  readonly #maxConnections: number;
  readonly #refusal: string;
  readonly #doors: Door[] = [];
  readonly #connections = new Set<Connection>();
  #accepted = 0;
  #requests = 0;
  #running = false;
  #paused = false;

  constructor(options: EndpointOptions) {
    this.faults = options.faults;
    this.counters = options.counters;
    this.answers = options.answers;
    this.recording = options.record ? new Recording() : undefined;
    this.#maxConnections = options.maxConnections ?? Number.POSITIVE_INFINITY;
    this.#refusal = options.refusal ?? '';
  }

  abstract parserOf(connection: Connection, first: Buffer): Parser;

  async addFault(rule: FaultRule<string>): Promise<number> {
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
    return this.conditions.until(() => this.faults.hits(id) >= hits);
  }

  async connections(): Promise<number> {
    return this.#connections.size;
  }

  waitForConnections(count: number): Promise<void> {
    return this.conditions.until(() => this.#connections.size === count);
  }

  waitForCommands(count: number): Promise<void> {
    return this.conditions.until(() => this.#requests >= count);
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
    for (const { handshakes } of this.#doors) handshakes?.end();
    for (const connection of ended) connection.end(reset ? 'reset' : 'close');
    await this.conditions.until(() => !ended.some((connection) => this.#connections.has(connection)));
  }

  async pause(): Promise<void> {
    this.#paused = true;
    for (const { handshakes } of this.#doors) handshakes?.pause();
    for (const connection of this.#connections) connection.pause();
  }

  async resume(): Promise<void> {
    this.#paused = false;
    for (const { handshakes } of this.#doors) handshakes?.resume();
    for (const connection of this.#connections) connection.resume();
  }

  async stop(options: StopOptions): Promise<void> {
    this.#running = false;
    for (const { listener } of this.#doors) listener.close();
    await this.disconnectAll(options);
  }

  handled(requests: number): void {
    this.#requests += requests;
    this.conditions.check();
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection);
    this.conditions.check();
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    await this.stop({});
    this.conditions.abandon(new Error('The server was closed before this happened'));
  }

  /** One more address to listen at, from `start` on; with TLS where there are options of it. */
  protected addDoor(address: Address, tls?: TlsOptions): Listener {
    const handshakes = tls && new Handshakes(tls);
    const listener = new Listener(address, (socket) => this.#accept(socket, handshakes));
    this.#doors.push({ listener, handshakes });
    return listener;
  }

  protected async start(): Promise<void> {
    this.#running = true;
    await this.#listenOrRefuse();
  }

  protected get openConnections(): number {
    return this.#connections.size;
  }

  async #listenOrRefuse(): Promise<void> {
    for (const { listener } of this.#doors) {
      if (this.#running && !this.faults.refuses) await listener.open();
      else listener.close();
    }
  }

  #accept(socket: Socket, handshakes: Handshakes | undefined): void {
    const begun = this.#doors.reduce((sum, door) => sum + (door.handshakes?.size ?? 0), 0);
    if (this.#connections.size + begun >= this.#maxConnections) {
      this.counters.rejected_connections += 1;
      socket.on('error', () => undefined);
      socket.resume().end(this.#refusal, () => socket.destroy());
      return;
    }
    const index = this.#accepted++;
    this.counters.total_connections += 1;
    const action = this.faults.forConnection(index);
    if (handshakes === undefined || action?.kind === 'reset' || action?.kind === 'silent')
      this.#serve(new Connection(index, socket, this), action);
    else
      handshakes.begin(socket, (secured) =>
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
      if (action?.kind === 'banner') connection.send([garbage(action)]);
      if (this.#paused) connection.pause();
      connection.serve();
    }
    this.conditions.check();
  }

  #recorded(): Recording {
    if (this.recording === undefined)
      throw new Error('Start the server with { record: true } to keep what it receives');
    return this.recording;
  }
}
