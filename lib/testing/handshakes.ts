import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';

interface Handshake {
  readonly raw: Socket;
  readonly done: (socket: TLSSocket) => void;
}

/** Connections between their acceptance and the end of their TLS handshake. One that fails ends. */
export class Handshakes {
  readonly #server: Server;
  readonly #pending = new Map<string, Handshake>();
  /** Those that have not begun. */
  #held: Handshake[] | undefined;

  /** Throws what node:tls says of options that it does not understand. */
  constructor(options: TlsOptions) {
    this.#server = createServer(options, (socket) => {
      const handshake = this.#pending.get(nameOf(socket));
      this.#pending.delete(nameOf(socket));
      handshake?.done(socket);
    });
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  get size(): number {
    return this.#pending.size;
  }

  begin(raw: Socket, done: (socket: TLSSocket) => void): void {
    const handshake = { raw, done };
    const name = nameOf(raw);
    this.#pending.set(name, handshake);
    raw.on('error', () => undefined);
    raw.once('close', () => {
      if (this.#pending.get(name) === handshake) this.#pending.delete(name);
    });
    if (this.#held === undefined) this.#server.emit('connection', raw);
    else this.#held.push(handshake);
  }

  /** None begins until `resume`. */
  pause(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { raw } of held) if (!raw.destroyed) this.#server.emit('connection', raw);
  }

  /** Ends those that are under way. */
  end(): void {
    for (const { raw } of this.#pending.values()) raw.destroy();
  }
}

/** The socket that node:tls makes of another has the same peer. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
