import { type Memcached, startMemcached } from '../conformance/memcached.mts';
import { CLEAR, FaultProxy, type Weather } from './proxy.mts';

/** A server that trouble can befall. */
export interface Victim extends AsyncDisposable {
  /** Where clients find it: `host:port`. */
  readonly name: string;
}

/** A real memcached that can be ended, suspended, and started again at its port. */
export class ServerProcess implements Victim {
  #process: Memcached;

  private constructor(process: Memcached) {
    this.#process = process;
  }

  static async start(): Promise<ServerProcess> {
    return new ServerProcess(await startMemcached());
  }

  get port(): number {
    return this.#process.port;
  }

  get name(): string {
    return `127.0.0.1:${this.port}`;
  }

  signal(name: Parameters<Memcached['signal']>[0]): Promise<void> {
    return this.#process.signal(name);
  }

  /** After it has ended; what it had stored is gone. */
  async startAgain(): Promise<void> {
    this.#process = await startMemcached({ port: this.port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

/** A real memcached behind a network of any weather. */
export class WeatheredServer implements Victim {
  readonly #server: ServerProcess;
  readonly #proxy: FaultProxy;

  private constructor(server: ServerProcess, proxy: FaultProxy) {
    this.#server = server;
    this.#proxy = proxy;
  }

  static async start(random: () => number): Promise<WeatheredServer> {
    const server = await ServerProcess.start();
    return new WeatheredServer(server, await FaultProxy.start(server.port, random));
  }

  get name(): string {
    return `127.0.0.1:${this.#proxy.port}`;
  }

  setWeather(weather: Partial<Weather>): void {
    this.#proxy.weather = { ...CLEAR, ...weather };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}
