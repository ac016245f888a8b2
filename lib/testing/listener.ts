import { createServer, type Server, type Socket } from 'node:net';
import type { Address } from './operations';

/** A listening socket that can be closed and opened again at the same address while its connections live on. */
export class Listener {
  readonly #onConnection: (socket: Socket) => void;
  #wanted: Address;
  #server: Server | undefined;

  constructor(address: Address, onConnection: (socket: Socket) => void) {
    this.#wanted = address;
    this.#onConnection = onConnection;
  }

  /** The address bound to; the port is known after the first `open`. */
  get address(): Address {
    return this.#wanted;
  }

  /** Rejects with the error of `listen`, for example EADDRINUSE. */
  async open(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer(this.#onConnection);
    this.#server = server;
    try {
      await listening(server, this.#wanted);
    } catch (error) {
      this.#server = undefined;
      throw error;
    }
    const bound = server.address();
    if (bound !== null && typeof bound === 'object') this.#wanted = { ...this.#wanted, port: bound.port };
  }

  /** From here on connecting is refused. Does not wait for open connections to end. */
  close(): void {
    this.#server?.close();
    this.#server = undefined;
  }
}

function listening(server: Server, { host, port, path }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path === undefined ? { host, port } : { path }, () => {
      server.off('error', reject);
      // Of a connection that could not be accepted, for want of descriptors: the next one may be.
      server.on('error', () => undefined);
      resolve();
    });
  });
}
