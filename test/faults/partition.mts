import { execFileSync, spawnSync } from 'node:child_process';
import { type Memcached, startMemcached } from '../conformance/memcached.mts';
import { skipWithout } from '../conformance/tool.mts';
import type { Victim } from './servers.mts';

const ip = (...words: string[]): void =>
  void execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });

/** Why a server can have no network of its own here; false where it can. */
export function skipWithoutNamespaces(): string | false {
  const works = (program: string, ...words: string[]): boolean =>
    spawnSync(program, words, { stdio: 'ignore' }).status === 0;
  if (!works('unshare', '-n', 'true')) return 'the system does not let this user have network namespaces';
  return skipWithout('ip', 'iproute2');
}

/** A real memcached in a network of its own, whose packets can be dropped, as by a cable that is pulled. */
export class RemoteServer implements Victim {
  readonly #namespace: string;
  readonly #server: Memcached;
  readonly #host: string;

  private constructor(namespace: string, server: Memcached, host: string) {
    this.#namespace = namespace;
    this.#server = server;
    this.#host = host;
  }

  static async start(): Promise<RemoteServer> {
    const namespace = `ek${process.pid}`;
    // 198.18.0.0/15 is set aside for tests between networks (RFC 2544); 30 bits of mask leave two hosts.
    const net = `198.18.${(process.pid >> 6) & 255}.${(process.pid & 63) * 4}`;
    const [ours, host] = [1, 2].map((last) => net.replace(/\d+$/, (first) => `${Number(first) + last}`)) as [
      string,
      string,
    ];
    ip('netns', 'add', namespace);
    try {
      ip('link', 'add', 'dev', namespace, 'type', 'veth', 'peer', 'name', 'outside', 'netns', namespace);
      ip('address', 'add', `${ours}/30`, 'dev', namespace);
      ip('link', 'set', 'dev', namespace, 'up');
      ip('-n', namespace, 'address', 'add', `${host}/30`, 'dev', 'outside');
      ip('-n', namespace, 'link', 'set', 'dev', 'outside', 'up');
      const server = await startMemcached({ host, port: 11211, prefix: ['ip', 'netns', 'exec', namespace] });
      return new RemoteServer(namespace, server, host);
    } catch (error) {
      ip('netns', 'delete', namespace);
      throw error;
    }
  }

  get name(): string {
    return `${this.#host}:${this.#server.port}`;
  }

  /** Drops what it sends, and what it is sent. */
  cut(): void {
    ip('-n', this.#namespace, 'link', 'set', 'dev', 'outside', 'down');
  }

  heal(): void {
    ip('-n', this.#namespace, 'link', 'set', 'dev', 'outside', 'up');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    // Both ends of the cable at once; with the namespace they would go some time later, and the next one has the same name.
    ip('link', 'delete', 'dev', this.#namespace);
    ip('netns', 'delete', this.#namespace);
  }
}
