import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { nameOfServer, type ServerAddress } from './connection-string';

/** As the native side takes it: a numeric address with its port, or a path. */
export type SocketAddress = readonly [address: string, port: number] | readonly [path: string];

/** One server and the addresses its name stands for just now. */
export class Endpoint {
  readonly name: string;
  readonly #server: ServerAddress;
  #addresses: readonly SocketAddress[] | undefined;
  readonly #listeners = new Set<(addresses: readonly SocketAddress[]) => void>();
  #resolving: Promise<readonly SocketAddress[]> | undefined;

  constructor(server: ServerAddress) {
    this.#server = server;
    this.name = nameOfServer(server);
    if ('path' in server) this.#addresses = [[server.path]];
    else if (isIP(server.host) !== 0) this.#addresses = [[server.host, server.port]];
    this.isFixed = this.#addresses !== undefined;
  }

  /** The addresses never change: there is no name to resolve. */
  readonly isFixed: boolean;

  /** The last known addresses, if any. */
  get addresses(): readonly SocketAddress[] | undefined {
    return this.#addresses;
  }

  /** Calls back when the addresses have changed, until the function that is returned is called. */
  listen(listener: (addresses: readonly SocketAddress[]) => void): () => void {
    const each = (addresses: readonly SocketAddress[]): void => listener(addresses);
    this.#listeners.add(each);
    return () => void this.#listeners.delete(each);
  }

  /**
   * Asks the resolver anew, at most once at a time. Rejects with the
   * system's error; the old addresses stay.
   */
  resolve(): Promise<readonly SocketAddress[]> {
    this.#resolving ??= this.#lookUp().finally(() => {
      this.#resolving = undefined;
    });
    return this.#resolving;
  }

  async #lookUp(): Promise<readonly SocketAddress[]> {
    const server = this.#server;
    if (this.isFixed || 'path' in server) return this.#addresses ?? [];
    const found = await lookup(server.host, { all: true });
    const addresses = found.map(({ address }) => [address, server.port] as const);
    // Resolvers turn the order round; whoever tries the addresses in turn would begin anew each time.
    if (this.#addresses !== undefined && areSame(addresses, this.#addresses)) return this.#addresses;
    this.#addresses = addresses;
    for (const listener of this.#listeners) listener(addresses);
    return addresses;
  }
}

function areSame(some: readonly SocketAddress[], others: readonly SocketAddress[]): boolean {
  return some.map(String).sort().join() === others.map(String).sort().join();
}
