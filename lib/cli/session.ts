import { redactUrl } from '../cluster/connection-string';
import { connect, type Database, EventBase } from '../index';
import { startServer } from '../testing';
import { type ConnectionOptions, connectionOf } from './connection';
import { type CpuMeter, clientThreadsMeter, processMeter, threadIds } from './cpu';
import type { BaseModel } from './options';

export interface SessionOptions extends ConnectionOptions {
  /** Where to connect; without it the environment's EVENKEEL_URL, and without that the embedded test server. */
  readonly url: string | undefined;
  readonly base: BaseModel;
  /** Of an operation, in milliseconds. */
  readonly timeout: number;
  /** Operations in flight at any time. */
  readonly concurrency: number;
}

/** A connected client, and the server it talks to if that is our own. */
export interface Session {
  /** As it may be shown. */
  readonly url: string;
  /** The server runs in a worker of this process. */
  readonly embedded: boolean;
  readonly db: Database;
  readonly cpu: CpuMeter;
  close(): Promise<void>;
}

export async function openSession(options: SessionOptions): Promise<Session> {
  const stated = options.url ?? (process.env.EVENKEEL_URL || undefined);
  // A workload bounds what it stores; evictions by the server would only add misses that nobody asked for.
  const server =
    stated === undefined ? await startServer({ worker: true, maxBytes: Number.MAX_SAFE_INTEGER }) : undefined;
  const url = stated ?? server?.url ?? '';
  try {
    const threads = threadIds();
    const eventBase = options.base === 'thread' ? EventBase.create({ name: 'evenkeel-cli' }) : EventBase.host;
    const db = await connect(url, {
      timeout: options.timeout,
      eventBase,
      // Every worker may have its operation in flight, or the client's queue would be measured instead.
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
