import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { nameOfServer, type ServerAddress } from './connection-string';

/** The native form of an address: a numeric address with a port, or a path. */
export type SocketAddress = readonly [address: string, port: number] | readonly [path: string];

/** One server and the current addresses of its name. */
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

  /** true: the address is numeric or a path, so there is nothing to resolve. */
  readonly isFixed: boolean;

  /** The last known addresses, if any. */
  get addresses(): readonly SocketAddress[] | undefined {
    return this.#addresses;
  }

  /** Calls back when the addresses have changed, until the returned function is called. */
  listen(listener: (addresses: readonly SocketAddress[]) => void): () => void {
    const each = (addresses: readonly SocketAddress[]): void => listener(addresses);
    this.#listeners.add(each);
    return () => void this.#listeners.delete(each);
  }

  /**
   * Resolves the name again; concurrent calls share one lookup. Rejects with the system's error and keeps the old
   * addresses.
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
    // Resolvers rotate the order. Without this check, a caller that tries the addresses in turn would start over each
    // time.
    if (this.#addresses !== undefined && areSame(addresses, this.#addresses)) return this.#addresses;
    this.#addresses = addresses;
    for (const listener of this.#listeners) listener(addresses);
    return addresses;
  }
}

function areSame(some: readonly SocketAddress[], others: readonly SocketAddress[]): boolean {
  return some.map(String).sort().join() === others.map(String).sort().join();
}
