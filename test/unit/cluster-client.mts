import { connect, type Socket } from 'node:net';
import { crc32 } from 'node:zlib';
import { ClusterOpcode, ClusterStatus, Feature, type TestNode } from '../../lib/testing/index.ts';

/** A request as a test writes it; the vbucket follows from the key. */
export interface ClusterRequest {
  opcode: number;
  key?: string | Buffer;
  extras?: Buffer;
  value?: string | Buffer;
  cas?: bigint;
  vbucket?: number;
  datatype?: number;
  framing?: Buffer;
  /** Put before the key, where the connection has agreed to collections. */
  collection?: number;
  opaque?: number;
  magic?: number;
}

/** A packet of the server's; `word` is a status or a vbucket. */
export interface ClusterPacket {
  magic: number;
  opcode: number;
  word: number;
  datatype: number;
  opaque: number;
  cas: bigint;
  framing: Buffer;
  extras: Buffer;
  key: Buffer;
  value: Buffer;
}

export interface Joining {
  /** Default: mutation tokens, extended errors, JSON, collections. */
  features?: number[];
  /** Default: `default`; null: none. */
  bucket?: string | null;
  vbuckets?: number;
}

const USUAL = [
  Feature.mutationSeqno,
  Feature.xerror,
  Feature.selectBucket,
  Feature.json,
  Feature.collections,
  Feature.xattr,
  Feature.altRequest,
  Feature.syncReplication,
  Feature.preserveTtl,
];

export const storeExtras = (flags = 0, expiry = 0): Buffer => {
  const extras = Buffer.alloc(8);
  extras.writeUInt32BE(flags, 0);
  extras.writeUInt32BE(expiry, 4);
  return extras;
};

interface Asked {
  resolve(packet: ClusterPacket): void;
  reject(reason: Error): void;
}

/** Speaks the protocol by itself: it shares no code with the cluster. */
export class ClusterClient {
  readonly #socket: Socket;
  readonly #vbuckets: number;
  #features: number[] = [];
  #bytes = Buffer.alloc(0);
  #opaque = 0;
  readonly #waiting = new Map<number, Asked>();
  readonly #unasked: ClusterPacket[] = [];
  readonly #wanting: ((packet: ClusterPacket) => void)[] = [];
  #ended = false;

  private constructor(socket: Socket, vbuckets: number) {
    this.#socket = socket;
    this.#vbuckets = vbuckets;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      for (const { reject } of this.#waiting.values()) reject(new Error('the connection has ended'));
    });
  }

  static async open(node: TestNode, vbuckets = 64): Promise<ClusterClient> {
    const socket = connect(node.port, node.host);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new ClusterClient(socket, vbuckets);
  }

  /** Connects, agrees, authenticates, and selects the bucket. */
  static async join(
    node: TestNode,
    { features = USUAL, bucket = 'default', vbuckets = 64 }: Joining = {},
  ): Promise<ClusterClient> {
    const client = await ClusterClient.open(node, vbuckets);
    await client.hello(features);
    const { word } = await client.ask({
      opcode: ClusterOpcode.saslAuth,
      key: 'PLAIN',
      value: '\0Administrator\0password',
    });
    if (word !== 0) throw new Error(`authentication ended with ${word}`);
    if (bucket !== null) {
      const selected = await client.ask({ opcode: ClusterOpcode.selectBucket, key: bucket });
      if (selected.word !== 0) throw new Error(`SELECT_BUCKET ended with ${selected.word}`);
    }
    return client;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** How many packets have come that answer nothing, and have not been asked for by `next`. */
  get unasked(): number {
    return this.#unasked.length;
  }

  /** Resolves once the server has ended the connection. */
  closed(): Promise<unknown> {
    return this.#ended ? Promise.resolve() : new Promise((resolve) => this.#socket.once('close', resolve));
  }

  async hello(features: readonly number[]): Promise<number[]> {
    const value = Buffer.alloc(2 * features.length);
    for (const [index, feature] of features.entries()) value.writeUInt16BE(feature, 2 * index);
    const answer = await this.ask({ opcode: ClusterOpcode.hello, key: 'a test', value });
    this.#features = [];
    for (let at = 0; at < answer.value.length; at += 2) this.#features.push(answer.value.readUInt16BE(at));
    return this.#features;
  }

  ask(request: ClusterRequest): Promise<ClusterPacket> {
    const opaque = request.opaque ?? ++this.#opaque;
    if (this.#ended) return Promise.reject(new Error('the connection has ended'));
    return new Promise((resolve, reject) => {
      this.#waiting.set(opaque, { resolve, reject });
      this.#socket.write(this.#encode({ ...request, opaque }));
    });
  }

  send(request: ClusterRequest): void {
    this.#socket.write(this.#encode(request));
  }

  /** The next packet that answers nothing asked. */
  next(): Promise<ClusterPacket> {
    const packet = this.#unasked.shift();
    if (packet !== undefined) return Promise.resolve(packet);
    return new Promise((resolve) => this.#wanting.push(resolve));
  }

  get(key: string, collection = 0): Promise<ClusterPacket> {
    return this.ask({ opcode: ClusterOpcode.get, key, collection });
  }

  set(key: string, value: string | Buffer, more: Partial<ClusterRequest> = {}): Promise<ClusterPacket> {
    return this.ask({ opcode: ClusterOpcode.set, key, value, extras: storeExtras(), ...more });
  }

  /** Stores, and throws where that fails. */
  async put(key: string, value: string | Buffer, more: Partial<ClusterRequest> = {}): Promise<ClusterPacket> {
    const answer = await this.set(key, value, more);
    if (answer.word !== ClusterStatus.success) throw new Error(`SET ended with ${answer.word}`);
    return answer;
  }

  partition(key: string | Buffer): number {
    return ((crc32(key) >>> 16) & 0x7fff) % this.#vbuckets;
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.#socket.destroy();
    await closed;
  }

  #encode(request: ClusterRequest): Buffer {
    const logical = Buffer.from(request.key ?? '');
    const named = request.collection !== undefined || KEYED.has(request.opcode);
    const prefix = named && this.#features.includes(Feature.collections) ? leb(request.collection ?? 0) : [];
    const key = Buffer.concat([Buffer.from(prefix), logical]);
    const { framing, extras = Buffer.alloc(0) } = request;
    const value = Buffer.from(request.value ?? '');
    const header = Buffer.alloc(24);
    header[0] = request.magic ?? (framing === undefined ? 0x80 : 0x08);
    header[1] = request.opcode;
    if (framing === undefined) header.writeUInt16BE(key.length, 2);
    else header.set([framing.length, key.length], 2);
    header[4] = extras.length;
    header[5] = request.datatype ?? 0;
    header.writeUInt16BE(request.vbucket ?? (named ? this.partition(logical) : 0), 6);
    const body = Buffer.concat([framing ?? Buffer.alloc(0), extras, key, value]);
    header.writeUInt32BE(body.length, 8);
    header.writeUInt32BE(request.opaque ?? 0, 12);
    header.writeBigUInt64BE(request.cas ?? 0n, 16);
    return Buffer.concat([header, body]);
  }

  #receive(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      if (this.#bytes.length < 24) return;
      const size = 24 + this.#bytes.readUInt32BE(8);
      if (this.#bytes.length < size) return;
      const packet = decode(this.#bytes.subarray(0, size));
      this.#bytes = this.#bytes.subarray(size);
      const isAnswer = packet.magic === 0x81 || packet.magic === 0x18;
      const asked = isAnswer ? this.#waiting.get(packet.opaque) : undefined;
      if (asked !== undefined) this.#waiting.delete(packet.opaque);
      const taker = asked?.resolve ?? this.#wanting.shift();
      if (taker === undefined) this.#unasked.push(packet);
      else taker(packet);
    }
  }
}

/** Commands whose key is a document's. */
const KEYED: ReadonlySet<number> = new Set([
  ...[0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0c, 0x0e, 0x0f, 0x11, 0x14, 0x1c, 0x1d],
  ...[0x83, 0x94, 0x95, 0xa0],
  ...[0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2],
]);

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function decode(bytes: Buffer): ClusterPacket {
  const magic = bytes.readUInt8(0);
  const isAlternative = magic === 0x08 || magic === 0x18;
  const framingLength = isAlternative ? bytes.readUInt8(2) : 0;
  const keyLength = isAlternative ? bytes.readUInt8(3) : bytes.readUInt16BE(2);
  const extrasStart = 24 + framingLength;
  const keyStart = extrasStart + bytes.readUInt8(4);
  return {
    magic,
    opcode: bytes.readUInt8(1),
    word: bytes.readUInt16BE(6),
    datatype: bytes.readUInt8(5),
    opaque: bytes.readUInt32BE(12),
    cas: bytes.readBigUInt64BE(16),
    framing: bytes.subarray(24, extrasStart),
    extras: bytes.subarray(extrasStart, keyStart),
    key: bytes.subarray(keyStart, keyStart + keyLength),
    value: bytes.subarray(keyStart + keyLength),
  };
}
