import type { Credentials } from '../credentials';
import type { Bucket } from './bucket';
import type { ClusterClock } from './clock';
import type { Version } from './configuration';
import type { Producer } from './dcp/producer';
import type { Cuts } from './dcp/stream';
import { packet } from './packet';
import { Datatype, Feature, Magic, ServerOpcode } from './protocol';
import { Refusal } from './refusal';
import type { ScramExchange, Verifiers } from './scram';

/** A response; the status defaults to 0. */
export interface Reply {
  readonly status?: number | undefined;
  readonly cas?: bigint | undefined;
  readonly datatype?: number | undefined;
  readonly extras?: Buffer | undefined;
  readonly key?: Buffer | undefined;
  readonly value?: Buffer | undefined;
}

/** The request that a response belongs to. */
export interface Asked {
  readonly opcode: number;
  readonly opaque: number;
}

/** A configuration as a node sends it. */
export interface ToldConfiguration {
  readonly text: string;
  readonly version: Version;
}

/** What a session needs of its node. */
export interface SessionHost {
  readonly number: number;
  readonly clock: ClusterClock;
  readonly serverVersion: string;
  readonly credentials: Credentials;
  readonly verifiers: Verifiers;
  readonly mechanisms: readonly string[];
  /** The features that HELLO can grant. */
  readonly features: ReadonlySet<number>;
  readonly errorMap: string;
  /** Undefined if there is no such bucket. */
  bucket(name: string): Bucket | undefined;
  bucketNames(): readonly string[];
  configuration(bucket: Bucket | undefined): ToldConfiguration;
  /** How change streams cut snapshots. */
  readonly cuts: Cuts;
  /** Ends the connection with the producer of this name, if there is one. */
  endProducer(name: string): void;
}

/** Frame info 0: the server duration, encoded in two bytes. The value is constant. */
const DURATION = Buffer.from([0x02, 0x00, 0x02]);

/** The protocol state of one connection. */
export class Session {
  readonly host: SessionHost;
  isAuthenticated = false;
  exchange: ScramExchange | undefined;
  /** Called for each packet that answers a request of the server. */
  answered: (() => void) | undefined;
  bucket: Bucket | undefined;
  producer: Producer | undefined;
  readonly #send: (bytes: Buffer) => void;
  readonly #endings: (() => void)[] = [];
  #features: ReadonlySet<number> = new Set();
  #told: { bucket: Bucket | undefined; version: Version } | undefined;

  /** `send` sends packets that are not responses to the request being executed. */
  constructor(host: SessionHost, send: (bytes: Buffer) => void) {
    this.host = host;
    this.#send = send;
  }

  has(feature: number): boolean {
    return this.#features.has(feature);
  }

  grant(asked: readonly number[]): number[] {
    const granted = [...new Set(asked)].filter((feature) => this.host.features.has(feature));
    this.#features = new Set(granted);
    return granted;
  }

  /** The packet of a response, in the framing that was negotiated. */
  answer({ opcode, opaque }: Asked, reply: Reply): Buffer {
    const framing = this.has(Feature.tracing) ? DURATION : undefined;
    const magic = framing === undefined ? Magic.response : Magic.altResponse;
    const { status: word, ...parts } = reply;
    return packet({ magic, opcode, opaque, framing, word, ...parts });
  }

  /** The response to a command that failed. The error body is sent only to clients that support it (XERROR). */
  refusal({ status, body, isJson }: Refusal): Reply {
    if (Buffer.isBuffer(body)) return { status, value: body, datatype: this.#jsonIf(isJson) };
    if (body === undefined || !this.has(Feature.xerror)) return { status };
    return { status, value: Buffer.from(JSON.stringify(body)), datatype: this.#jsonIf(true) };
  }

  /** Answers a request after it has been executed. */
  answerLate(asked: Asked, reply: Reply): void {
    this.#send(this.answer(asked, reply));
  }

  send(bytes: Buffer): void {
    this.#send(bytes);
  }

  /** The configuration of the bucket or of the cluster. Records that the client has it. */
  configuration(): Reply {
    const told = this.host.configuration(this.bucket);
    this.#told = { bucket: this.bucket, version: told.version };
    return { value: Buffer.from(told.text), datatype: this.#jsonIf(true) };
  }

  /** With the current configuration, unless the client has it and asked not to get it again. */
  notMyVbucket(status: number): Refusal {
    const { version } = this.host.configuration(this.bucket);
    const told = this.#told;
    const isKnown =
      told?.bucket === this.bucket &&
      told?.version.epoch === version.epoch &&
      told.version.revision === version.revision;
    if (isKnown && this.has(Feature.dedupeNotMyVbucket)) return new Refusal(status, Buffer.alloc(0));
    return new Refusal(status, this.configuration().value, true);
  }

  /** Pushes the current configuration if the client has subscribed to pushes. */
  push(bucket: Bucket | undefined): void {
    const isBrief = this.has(Feature.clusterMapChangeBrief);
    if (!this.has(Feature.duplex) || !(isBrief || this.has(Feature.clusterMapChange))) return;
    if (!this.isAuthenticated || this.bucket !== bucket) return;
    const { version } = this.host.configuration(bucket);
    const extras = Buffer.alloc(16);
    extras.writeBigInt64BE(version.epoch, 0);
    extras.writeBigInt64BE(version.revision, 8);
    const full = isBrief ? undefined : this.configuration();
    this.#send(
      packet({
        magic: Magic.serverRequest,
        opcode: ServerOpcode.clusterMapChange,
        opaque: 0,
        extras,
        key: Buffer.from(bucket?.settings.name ?? ''),
        datatype: full?.datatype,
        value: full?.value,
      }),
    );
  }

  onEnd(callback: () => void): void {
    this.#endings.push(callback);
  }

  ended(): void {
    for (const callback of this.#endings) callback();
  }

  #jsonIf(isJson: boolean): number {
    return isJson && this.has(Feature.json) ? Datatype.json : 0;
  }
}
