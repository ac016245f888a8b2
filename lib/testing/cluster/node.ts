import type { TlsOptions } from 'node:tls';
import { RequestParser } from '../binary/parser';
import type { Connection, Parser } from '../connection';
import type { Credentials } from '../credentials';
import { Endpoint } from '../endpoint';
import { FaultBook } from '../fault-book';
import type { Listener } from '../listener';
import type { Bucket } from './bucket';
import type { ClusterClock } from './clock';
import type { Producer } from './dcp/producer';
import type { Cuts } from './dcp/stream';
import { clusterDialect } from './dialect';
import { Frame } from './frame';
import type { NodeAddress } from './options';
import { PacketQueue } from './packet';
import { ClusterOpcode, MAX_VALUE_BYTES } from './protocol';
import type { Verifiers } from './scram';
import { Session, type SessionHost, type ToldConfiguration } from './session';

/** Values of larger requests are skipped. */
const MAX_BODY_BYTES = MAX_VALUE_BYTES + 1024 * 1024;

/** What all nodes of a cluster share. */
export interface NodeHost {
  readonly clock: ClusterClock;
  readonly serverVersion: string;
  readonly credentials: Credentials;
  readonly verifiers: Verifiers;
  readonly mechanisms: readonly string[];
  readonly errorMap: string;
  readonly features: ReadonlySet<number>;
  readonly faults: FaultBook;
  /** None of a node that is no member of the cluster. */
  bucketsOf(node: number): ReadonlyMap<string, Bucket>;
  /** How change streams cut snapshots. */
  readonly cuts: Cuts;
  configurationOf(node: number, bucket: Bucket | undefined): ToldConfiguration;
  /** Called after a node has handled requests. */
  handled(): void;
}

export interface NodeOptions {
  readonly host: string;
  readonly tls: TlsOptions | undefined;
  readonly record: boolean;
}

/** One node: its ports and its connections. */
export class ClusterNode extends Endpoint implements SessionHost {
  readonly number: number;
  readonly #host: NodeHost;
  readonly #queue: PacketQueue;
  readonly #plain: Listener;
  readonly #secure: Listener | undefined;
  readonly #sessions = new Map<Connection, Session>();

  private constructor(number: number, host: NodeHost, options: NodeOptions) {
    const answers = new PacketQueue();
    const counters = { bytes_read: 0, bytes_written: 0, total_connections: 0, rejected_connections: 0 };
    const faults = new FaultBook(ClusterOpcode, host.faults);
    super({ faults, counters, answers, record: options.record });
    this.number = number;
    this.#host = host;
    this.#queue = answers;
    const address = { host: options.host, port: 0, path: undefined };
    this.#plain = this.addDoor({ ...address, secure: false });
    this.#secure = options.tls && this.addDoor({ ...address, secure: true }, options.tls);
  }

  static async open(number: number, host: NodeHost, options: NodeOptions): Promise<ClusterNode> {
    const node = new ClusterNode(number, host, options);
    await node.start();
    return node;
  }

  get address(): NodeAddress {
    const { host, port } = this.#plain.address;
    return { number: this.number, host, port, securePort: this.#secure?.address.port };
  }

  get clock(): ClusterClock {
    return this.#host.clock;
  }
  get serverVersion(): string {
    return this.#host.serverVersion;
  }
  get credentials(): Credentials {
    return this.#host.credentials;
  }
  get verifiers(): Verifiers {
    return this.#host.verifiers;
  }
  get mechanisms(): readonly string[] {
    return this.#host.mechanisms;
  }
  get errorMap(): string {
    return this.#host.errorMap;
  }
  get features(): ReadonlySet<number> {
    return this.#host.features;
  }

  get cuts(): Cuts {
    return this.#host.cuts;
  }

  bucket(name: string): Bucket | undefined {
    return this.#host.bucketsOf(this.number).get(name);
  }

  bucketNames(): readonly string[] {
    return [...this.#host.bucketsOf(this.number).keys()];
  }

  configuration(bucket: Bucket | undefined): ToldConfiguration {
    return this.#host.configurationOf(this.number, bucket);
  }

  override parserOf(connection: Connection): Parser {
    const session = new Session(this, (bytes) => connection.send([bytes]));
    this.#sessions.set(connection, session);
    const dialect = clusterDialect(session, this.#queue);
    return new RequestParser(new Frame(), MAX_BODY_BYTES, {
      request: (request) => connection.take(request, dialect),
      broken: () => connection.stop(),
    });
  }

  override handled(requests: number): void {
    super.handled(requests);
    this.#host.handled();
  }

  override closed(connection: Connection): void {
    this.#sessions.get(connection)?.ended();
    this.#sessions.delete(connection);
    super.closed(connection);
  }

  *producers(): Generator<Producer> {
    for (const { producer } of this.#sessions.values()) if (producer !== undefined) yield producer;
  }

  endProducer(name: string): void {
    for (const [connection, { producer }] of this.#sessions)
      if (producer?.name === name) connection.end('close');
  }

  /** Ends the connections that have selected the bucket. */
  disconnect(bucket: Bucket): void {
    for (const [connection, session] of this.#sessions)
      if (session.bucket === bucket) connection.end('close');
  }

  /** Pushes the configuration to the clients that have subscribed to pushes. */
  push(bucket: Bucket | undefined): void {
    for (const session of this.#sessions.values()) session.push(bucket);
  }

  /** Listens again at the same ports. */
  async listen(): Promise<void> {
    await this.start();
  }
}
