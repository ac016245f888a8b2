import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { reset } from '../../lib/testing/outbox.ts';

export interface Request {
  readonly opcode: number;
  readonly opaque: number;
  readonly key: string;
  readonly value: Buffer;
}

export interface Answer {
  readonly opcode: number;
  readonly opaque: number;
  readonly status?: number;
  readonly value?: Buffer | string;
  /** Overrides what `value` says. */
  readonly announce?: number;
}

const HEADER = 24;
const GET = 0;
const GET_AND_TOUCH = 0x1d;
const VERSION = 0x0b;
const NOOP = 0x0a;

/** One packet; an answer to a get carries four bytes of flags (0: binary). */
export function packet(answer: Answer): Buffer {
  const { opcode, opaque, status = 0, value = '' } = answer;
  const extras = (opcode === GET || opcode === GET_AND_TOUCH) && status === 0 ? 4 : 0;
  const body = Buffer.concat([Buffer.alloc(extras), Buffer.from(value)]);
  const head = Buffer.alloc(HEADER);
  head.writeUInt8(0x81, 0);
  head.writeUInt8(opcode, 1);
  head.writeUInt8(extras, 4);
  head.writeUInt16BE(status, 6);
  head.writeUInt32BE(answer.announce ?? body.length, 8);
  head.writeUInt32BE(opaque, 12);
  return Buffer.concat([head, body]);
}

/** Cuts whole requests off the front of what has arrived. */
function requestsOf(bytes: Buffer): { requests: Request[]; rest: Buffer } {
  const requests: Request[] = [];
  let at = 0;
  while (bytes.length - at >= HEADER) {
    const keyLength = bytes.readUInt16BE(at + 2);
    const extras = bytes.readUInt8(at + 4);
    const end = at + HEADER + bytes.readUInt32BE(at + 8);
    if (end > bytes.length) break;
    const keyAt = at + HEADER + extras;
    requests.push({
      opcode: bytes.readUInt8(at + 1),
      opaque: bytes.readUInt32BE(at + 12),
      key: bytes.toString('utf8', keyAt, keyAt + keyLength),
      value: Buffer.from(bytes.subarray(keyAt + keyLength, end)),
    });
    at = end;
  }
  return { requests, rest: bytes.subarray(at) };
}

export interface Script {
  /** On a new connection, counted from 0. */
  readonly accept?: (socket: Socket, connection: number) => void;
  /** The requests of one read, the handshake's excepted: that one is answered. */
  readonly requests?: (socket: Socket, requests: Request[], connection: number) => void;
  /** Reads nothing and answers nothing. */
  readonly deaf?: boolean;
}

/** A server that does what the script says at the moment; the script may be changed at any time. */
export class RawServer implements AsyncDisposable {
  script: Script;
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(script: Script) {
    this.script = script;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(script: Script): Promise<RawServer> {
    const server = new RawServer(script);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    const address = this.#server.address();
    return `memcached://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`;
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** Ends every connection with RST. */
  reset(): void {
    for (const socket of this.#sockets) reset(socket);
  }

  #accept(socket: Socket): void {
    const connection = this.connections++;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    this.script.accept?.(socket, connection);
    if (this.script.deaf) {
      socket.pause();
      return;
    }
    let rest = Buffer.alloc(0);
    socket.on('data', (data) => {
      const cut = requestsOf(Buffer.concat([rest, data]));
      rest = Buffer.from(cut.rest);
      for (const { opcode, opaque } of cut.requests) {
        if (opcode === VERSION) socket.write(packet({ opcode, opaque, value: '1.6.0-raw' }));
        if (opcode === NOOP) socket.write(packet({ opcode, opaque }));
      }
      const requests = cut.requests.filter(({ opcode }) => opcode !== VERSION && opcode !== NOOP);
      if (requests.length > 0) this.script.requests?.(socket, requests, connection);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** What an honest server does: a get of `key` answers `value of key`, everything else succeeds. */
export function honest(socket: Socket, requests: Request[]): void {
  socket.write(
    Buffer.concat(
      requests.map(({ opcode, opaque, key }) =>
        packet({ opcode, opaque, value: opcode === GET ? `value of ${key}` : '' }),
      ),
    ),
  );
}
