import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { reset } from '../../lib/testing/outbox.ts';
import { turn } from './harness.mts';

/** What may happen to the bytes of one read, each with its share; the rest passes untouched. */
export interface Weather {
  readonly delayed: number;
  readonly split: number;
  /** A part passes, then both sides are closed. */
  readonly cut: number;
  /** A part passes, then both sides are reset. */
  readonly reset: number;
  /** This and all that follows is swallowed; the connection stays open. */
  readonly lost: number;
  /** Each byte leaves by itself. */
  readonly crumbled: number;
  /** Of each connection and direction. Default: no limit. */
  readonly bytesPerSecond?: number | undefined;
}

export const CLEAR: Weather = { delayed: 0, split: 0, cut: 0, reset: 0, lost: 0, crumbled: 0 };

/** Stands between a client and a real server and does to their bytes, in both directions, what networks do. */
export class FaultProxy implements AsyncDisposable {
  weather = CLEAR;
  readonly #upstream: number;
  readonly #random: () => number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(upstream: number, random: () => number) {
    this.#upstream = upstream;
    this.#random = random;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Before the server at this loopback port. `random` decides everything: uniform in [0, 1). */
  static async start(upstream: number, random: () => number): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstream, random);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  get url(): string {
    return `memcached://127.0.0.1:${this.port}`;
  }

  /** Ends every connection. */
  disconnectAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnectAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    const server = connect(this.#upstream, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      void this.#relay(from, to).catch(() => from.destroy());
    }
  }

  /** Read by read, so that whatever is done to one holds up those behind it. */
  async #relay(from: Socket, to: Socket): Promise<void> {
    let lost = false;
    for await (const bytes of from) {
      const dice = this.#random();
      const { delayed, split, cut, reset: torn, lost: swallowed, crumbled, bytesPerSecond } = this.weather;
      if (lost) continue;
      if (bytesPerSecond !== undefined) await delay((bytes.length / bytesPerSecond) * 1000);
      if (dice < delayed) {
        await delay(this.#random() * 40);
        to.write(bytes);
      } else if (dice < delayed + split) {
        const at = this.#part(bytes);
        to.write(bytes.subarray(0, at));
        await delay(1);
        to.write(bytes.subarray(at));
      } else if (dice < delayed + split + cut + torn) {
        to.write(bytes.subarray(0, this.#part(bytes)));
        await delay(1);
        for (const socket of [from, to]) dice < delayed + split + cut ? socket.destroy() : reset(socket);
      } else if (dice < delayed + split + cut + torn + swallowed) {
        lost = true;
      } else if (dice < delayed + split + cut + torn + swallowed + crumbled) {
        for (const byte of bytes) {
          to.write(Uint8Array.of(byte));
          await turn();
        }
      } else {
        to.write(bytes);
      }
    }
  }

  #part(bytes: Buffer): number {
    return Math.floor(this.#random() * bytes.length);
  }
}
