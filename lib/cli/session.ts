import { redactUrl } from '../cluster/connection-string';
import { connect, type Database, EventBase } from '../index';
import { startServer } from '../testing';
import { type ConnectionOptions, connectionOf } from './connection';
import { type CpuMeter, clientThreadsMeter, processMeter, threadIds } from './cpu';
import type { BaseModel } from './options';

export interface SessionOptions extends ConnectionOptions {
  /** The URL to connect to. Default: EVENKEEL_URL, or else the embedded test server. */
  readonly url: string | undefined;
  readonly base: BaseModel;
  /** The timeout of an operation, in ms. */
  readonly timeout: number;
  /** The number of operations in flight. */
  readonly concurrency: number;
}

/** A connected client, and its server if that was started here. */
export interface Session {
  /** Without credentials, for display. */
  readonly url: string;
  /** true: the server runs in a worker of this process. */
  readonly embedded: boolean;
  readonly db: Database;
  readonly cpu: CpuMeter;
  close(): Promise<void>;
}

export async function openSession(options: SessionOptions): Promise<Session> {
  const stated = options.url ?? (process.env.EVENKEEL_URL || undefined);
  // A workload limits what it stores; evictions by the server would only add unintended misses.
  const server =
    stated === undefined ? await startServer({ worker: true, maxBytes: Number.MAX_SAFE_INTEGER }) : undefined;
  const url = stated ?? server?.url ?? '';
  try {
    const threads = threadIds();
    const eventBase = options.base === 'thread' ? EventBase.create({ name: 'evenkeel-cli' }) : EventBase.host;
    const db = await connect(url, {
      timeout: options.timeout,
      eventBase,
      // All workers may have an operation in flight; otherwise the client's queue would be measured.
      ...connectionOf(url, options),
      ...(!url.startsWith('embedded:') && { maxInFlight: Math.max(1024, options.concurrency) }),
    });
    return {
      url: redactUrl(url),
      embedded: server !== undefined,
      db,
      cpu: server === undefined ? processMeter() : clientThreadsMeter(threads),
      async close() {
        await db.close();
        await server?.close();
      },
    };
  } catch (error) {
    await server?.close();
    throw error;
  }
}
