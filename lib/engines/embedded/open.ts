import { invalidArgument } from '../../arguments';
import type { EventBase } from '../../event-base/event-base';
import type { Transcoder } from '../../transactions/transcoder';
import type { Capabilities, Engine, Transport } from '../engine';
import { Management } from '../management';
import { backUp } from './backup';
import { Environment } from './environment';
import { type EmbeddedOptions, resolveEmbeddedOptions } from './options';
import { Sweeper } from './sweeper';
import { EmbeddedTransport } from './transport';
import { Writer } from './writer';

const CAPABILITIES: Capabilities = {
  engine: 'embedded',
  transactions: true,
  events: true,
  durability: true,
  subDocument: false,
  collections: false,
  backup: true,
  topology: false,
  staleWhileRevalidate: false,
  recordDetails: false,
};

export interface Bases {
  /** The base of operations that name none. */
  readonly eventBase: EventBase;
  readonly managementBase: unknown;
}

/** Opens a directory or, without a path, a temporary database that ends with its connection. */
export async function openEmbedded(
  path: string | undefined,
  given: EmbeddedOptions,
  transcoder: Transcoder,
  { eventBase, managementBase }: Bases,
): Promise<Engine> {
  const options = resolveEmbeddedOptions(given, path === undefined);
  const where = Management.check(managementBase);
  const environment = await Environment.open({ ...options, path });
  const { version } = environment.catalog;
  let management: Management | undefined;
  try {
    await environment.exclusively(() =>
      environment.catalog.declare(
        options.classes,
        { ...options, now: () => environment.now() },
        environment.beside,
      ),
    );
    const managing = typeof where === 'object' ? where : undefined;
    for (const [name, base] of Object.entries({ eventBase, managementBase: managing }))
      if (base?.closed) throw invalidArgument(name, `${name} is closed`);
    const manager = new Management(where, eventBase);
    management = manager;
    const writer = new Writer(environment, options.maxQueued, () => {});
    environment.startNotifier(manager);
    const sweeper =
      options.sweeper && !options.readOnly ? new Sweeper(environment, writer, manager) : undefined;
    // Subscribers to schema changes are notified now instead of with the next commit.
    environment.committed(environment.catalog.version !== version);
    const backups = new Set<Promise<void>>();
    return {
      capabilities: CAPABILITIES,
      drainTimeout: options.timeout,
      tellsSlowOperations: false,
      createTransport: (each: EventBase): Transport =>
        new EmbeddedTransport(each, environment, options, transcoder, writer),
      async backup(directory, how) {
        const backup = backUp(environment, directory, how);
        backups.add(backup);
        try {
          await backup;
        } finally {
          backups.delete(backup);
        }
      },
      async close() {
        sweeper?.close();
        await writer.close(options.timeout);
        await Promise.allSettled(backups);
        await environment.release();
        await manager.close();
      },
    };
  } catch (error) {
    await environment.release();
    await management?.close();
    throw error;
  }
}
