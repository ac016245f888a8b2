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

/** What is answered to a request; a status of 0 where none is given. */
export interface Reply {
  readonly status?: number | undefined;
  readonly cas?: bigint | undefined;
  readonly datatype?: number | undefined;
  readonly extras?: Buffer | undefined;
  readonly key?: Buffer | undefined;
  readonly value?: Buffer | undefined;
}

/** Which request is answered. */
export interface Asked {
  readonly opcode: number;
  readonly opaque: number;
}

/** A configuration as a node tells it. */
export interface ToldConfiguration {
  readonly text: string;
  readonly version: Version;
}

/** The node that a connection is to. */
export interface SessionHost {
  readonly number: number;
  readonly clock: ClusterClock;
  readonly serverVersion: string;
  readonly credentials: Credentials;
  readonly verifiers: Verifiers;
  readonly mechanisms: readonly string[];
  /** What HELLO grants at most. */
  readonly features: ReadonlySet<number>;
  readonly errorMap: string;
  /** Undefined for one that there is not, or not on this node. */
  bucket(name: string): Bucket | undefined;
  bucketNames(): readonly string[];
  configuration(bucket: Bucket | undefined): ToldConfiguration;
  /** How change streams are cut. */
  readonly cuts: Cuts;
  /** Ends the connection that has the producer of this name, if there is one. */
  endProducer(name: string): void;
}

/** Server durations are sent as a power of theirs, which makes two bytes enough. A double is quick. */
const DURATION = Buffer.from([0x02, 0x00, 0x02]);

/** One connection as the protocol sees it. */
export class Session {
  readonly host: SessionHost;
  readonly isSecure: boolean;
  agent = '';
  isAuthenticated = false;
  exchange: ScramExchange | undefined;
  /** Told of packets that answer what the server has asked. */
  answered: (() => void) | undefined;
  bucket: Bucket | undefined;
  producer: Producer | undefined;
  readonly #send: (bytes: Buffer) => void;
  readonly #endings: (() => void)[] = [];
  #features: ReadonlySet<number> = new Set();
  #told: { bucket: Bucket | undefined; version: Version } | undefined;

  /** `send` takes what is no answer to the request that is being executed. */
  constructor(host: SessionHost, isSecure: boolean, send: (bytes: Buffer) => void) {
    this.host = host;
    this.isSecure = isSecure;
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

  /** The packet of an answer, in the form that the connection has agreed to. */
  answer({ opcode, opaque }: Asked, reply: Reply): Buffer {
    const framing = this.has(Feature.tracing) ? DURATION : undefined;
    const magic = framing === undefined ? Magic.response : Magic.altResponse;
    const { status: word, ...parts } = reply;
    return packet({ magic, opcode, opaque, framing, word, ...parts });
  }

  /** Of a command that was not executed. Errors are explained to those who have said that they understand. */
  refusal({ status, body, isJson }: Refusal): Reply {
    if (Buffer.isBuffer(body)) return { status, value: body, datatype: this.#jsonIf(isJson) };
    if (body === undefined || !this.has(Feature.xerror)) return { status };
    return { status, value: Buffer.from(JSON.stringify(body)), datatype: this.#jsonIf(true) };
  }

  /** Answers a request that was left without an answer before. */
  answerLate(asked: Asked, reply: Reply): void {
    this.#send(this.answer(asked, reply));
  }

  send(bytes: Buffer): void {
    this.#send(bytes);
  }

  /** The configuration of the bucket, or of the cluster; the client is taken to know it from now on. */
  configuration(): Reply {
    const told = this.host.configuration(this.bucket);
    this.#told = { bucket: this.bucket, version: told.version };
    return { value: Buffer.from(told.text), datatype: this.#jsonIf(true) };
  }

  /** With the newest configuration, unless the client has said not to repeat what it has been told. */
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

  /** Tells a client that wants to hear of it that there is a new configuration. */
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
