import { connect, type NetConnectOpts, type Socket } from 'node:net';

/** A request as a test writes it; lengths left out are the true ones. */
export interface RawRequest {
  opcode: number;
  key?: string | Buffer;
  extras?: Buffer;
  value?: string | Buffer;
  opaque?: number;
  cas?: bigint;
  magic?: number;
  keyLength?: number;
  extrasLength?: number;
  totalBody?: number;
}

/** An answer, field by field. */
export interface RawAnswer {
  magic: number;
  opcode: number;
  status: number;
  datatype: number;
  keyLength: number;
  extrasLength: number;
  totalBody: number;
  opaque: number;
  cas: bigint;
  extras: Buffer;
  key: string;
  value: Buffer;
}

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => {
    bytes.writeUInt32BE(value, index * 4);
  });
  return bytes;
}

/** Extras of INCREMENT and DECREMENT. */
export function counterExtras(delta: bigint, initial = 0n, expiry = 0): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeBigUInt64BE(delta, 0);
  bytes.writeBigUInt64BE(initial, 8);
  bytes.writeUInt32BE(expiry, 16);
  return bytes;
}

export function encode(request: RawRequest): Buffer {
  const extras = request.extras ?? Buffer.alloc(0);
  const key = Buffer.from(request.key ?? '');
  const value = Buffer.from(request.value ?? '');
  const header = Buffer.alloc(24);
  header[0] = request.magic ?? 0x80;
  header[1] = request.opcode;
  header.writeUInt16BE(request.keyLength ?? key.length, 2);
  header[4] = request.extrasLength ?? extras.length;
  header.writeUInt32BE(request.totalBody ?? extras.length + key.length + value.length, 8);
  header.writeUInt32BE(request.opaque ?? 0, 12);
  header.writeBigUInt64BE(request.cas ?? 0n, 16);
  return Buffer.concat([header, extras, key, value]);
}

function decode(bytes: Buffer): RawAnswer | undefined {
  if (bytes.length < 24) return undefined;
  const totalBody = bytes.readUInt32BE(8);
  if (bytes.length < 24 + totalBody) return undefined;
  const keyLength = bytes.readUInt16BE(2);
  const extrasLength = bytes.readUInt8(4);
  const keyStart = 24 + extrasLength;
  return {
    magic: bytes.readUInt8(0),
    opcode: bytes.readUInt8(1),
    keyLength,
    extrasLength,
    datatype: bytes.readUInt8(5),
    status: bytes.readUInt16BE(6),
    totalBody,
    opaque: bytes.readUInt32BE(12),
    cas: bytes.readBigUInt64BE(16),
    extras: bytes.subarray(24, keyStart),
    key: bytes.toString('latin1', keyStart, keyStart + keyLength),
    value: bytes.subarray(keyStart + keyLength, 24 + totalBody),
  };
}

/** A socket that speaks packets and knows nothing of any client under test. */
export class RawClient {
  /** How the server ended the connection: FIN, or RST. */
  readonly ended: Promise<'close' | 'reset'>;
  /** Length of each read. */
  readonly reads: number[] = [];
  #received = Buffer.alloc(0);
  #changed: () => void = () => undefined;
  #open = true;
  readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.reads.push(chunk.length);
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#changed();
    });
    this.ended = new Promise((resolve) => {
      socket.on('error', () => resolve('reset'));
      socket.on('close', () => {
        this.#open = false;
        resolve('close');
        this.#changed();
      });
    });
  }

  static connect(to: { port: number; path?: string | undefined; host?: string }): Promise<RawClient> {
    const { port, path, host = '127.0.0.1' } = to;
    const address: NetConnectOpts = path === undefined ? { port, host } : { path };
    return new Promise((resolve, reject) => {
      const socket = connect(address);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawClient(socket));
      });
    });
  }

  /** Everything that has arrived and was not taken as an answer. */
  get unread(): Buffer {
    return this.#received;
  }

  send(...requests: RawRequest[]): void {
    this.socket.write(Buffer.concat(requests.map(encode)));
  }

  /** The next `count` answers; rejects when the connection ends first. */
  async answers(count: number): Promise<RawAnswer[]> {
    const answers: RawAnswer[] = [];
    while (answers.length < count) {
      const answer = decode(this.#received);
      if (answer === undefined) {
        await this.#more(`${count} answers, of which ${answers.length} came`);
        continue;
      }
      this.#received = this.#received.subarray(24 + answer.totalBody);
      answers.push(answer);
    }
    return answers;
  }

  /** Sends one request and reads its answer. */
  async ask(request: RawRequest): Promise<RawAnswer> {
    this.send(request);
    const [answer] = await this.answers(1);
    if (answer === undefined) throw new Error('no answer');
    return answer;
  }

  /** Resolves once `count` unread bytes are there. */
  async bytes(count: number): Promise<Buffer> {
    while (this.#received.length < count) await this.#more(`${count} bytes`);
    return this.#received;
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.ended;
  }

  async #more(awaited: string): Promise<void> {
    if (!this.#open) throw new Error(`The connection ended before ${awaited}`);
    await new Promise<void>((resolve) => {
      this.#changed = resolve;
    });
  }
}
