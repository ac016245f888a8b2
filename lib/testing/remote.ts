import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type CallMessage, type ReplyMessage, revivedError } from './messages';
import type { Address, Call, ServerOperations, ServerOptions } from './operations';

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (reason: Error) => void;
}

/** The other end of a server in a worker thread. */
export class RemoteServer {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #exited = false;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (message: ReplyMessage) => this.#settle(message));
    worker.on('error', (error) => this.#abandon(error));
    worker.on('exit', () => this.#abandon(new Error('The server was closed')));
  }

  /** Starts the thread and waits until the server in it listens. */
  static async start(options: ServerOptions): Promise<{ server: RemoteServer; address: Address }> {
    if (options.clock !== undefined) throw new TypeError('A clock cannot be given to a server in a worker');
    const worker = new Worker(join(__dirname, 'worker.js'), { workerData: options });
    const address = await started(worker);
    return { server: new RemoteServer(worker), address };
  }

  readonly call: Call = <Name extends keyof ServerOperations>(
    name: Name,
    ...args: Parameters<ServerOperations[Name]>
  ) => this.#send(name, args) as ReturnType<ServerOperations[Name]>;

  async close(): Promise<void> {
    if (this.#exited) return;
    await this.call('close');
    await this.#worker.terminate();
  }

  #send(name: keyof ServerOperations, args: unknown[]): Promise<unknown> {
    if (this.#exited) return Promise.reject(new Error('The server was closed'));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const message: CallMessage = { id, name, args };
      this.#worker.postMessage(message);
      this.#pending.set(id, { resolve, reject });
    });
  }

  #settle(message: ReplyMessage): void {
    if (message.kind !== 'result' && message.kind !== 'error') return;
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.kind === 'result') pending?.resolve(message.result);
    else pending?.reject(revivedError(message.error));
  }

  #abandon(reason: Error): void {
    this.#exited = true;
    for (const pending of this.#pending.values()) pending.reject(reason);
    this.#pending.clear();
  }
}

function started(worker: Worker): Promise<Address> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (message: ReplyMessage) => {
      worker.off('error', reject);
      if (message.kind === 'started') resolve(message.address);
      else if (message.kind === 'failed') reject(revivedError(message.error));
    });
  });
}
