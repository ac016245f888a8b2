import { Worker } from 'node:worker_threads';
import { type CallMessage, type ReplyMessage, revivedError } from './messages';
import type { Call, Operations } from './operations';

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (reason: Error) => void;
}

/** The other end of what runs in a worker thread. */
export class Remote<Of extends Operations<Of> & { close(): Promise<void> }> {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #exited = false;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (message: ReplyMessage<unknown>) => this.#settle(message));
    worker.on('error', (error) => this.#abandon(error));
    worker.on('exit', () => this.#abandon(new Error('The server was closed')));
  }

  /** Starts a thread at `entry` and waits until what is in it says that it has started. */
  static async start<Of extends Operations<Of> & { close(): Promise<void> }, Started>(
    entry: string,
    options: { readonly clock?: unknown },
  ): Promise<{ remote: Remote<Of>; started: Started }> {
    if (options.clock !== undefined) throw new TypeError('A clock cannot be given to a server in a worker');
    const worker = new Worker(entry, { workerData: options });
    const started = await startOf<Started>(worker);
    return { remote: new Remote<Of>(worker), started };
  }

  readonly call: Call<Of> = <Name extends keyof Of>(name: Name, ...args: Parameters<Of[Name]>) =>
    this.#send(String(name), args) as ReturnType<Of[Name]>;

  async close(): Promise<void> {
    if (this.#exited) return;
    await this.#send('close', []);
    await this.#worker.terminate();
  }

  #send(name: string, args: unknown[]): Promise<unknown> {
    if (this.#exited) return Promise.reject(new Error('The server was closed'));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const message: CallMessage = { id, name, args };
      this.#worker.postMessage(message);
      this.#pending.set(id, { resolve, reject });
    });
  }

  #settle(message: ReplyMessage<unknown>): void {
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

function startOf<Started>(worker: Worker): Promise<Started> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (message: ReplyMessage<Started>) => {
      worker.off('error', reject);
      if (message.kind === 'started') resolve(message.started);
      else if (message.kind === 'failed') reject(revivedError(message.error));
    });
  });
}
