import type { EventBase } from '../../event-base/event-base';
import type { Transcoder } from '../../transactions/transcoder';
import type { Capabilities, Engine, Transport } from '../engine';
import { Environment } from './environment';
import { type EmbeddedOptions, resolveEmbeddedOptions } from './options';
import { EmbeddedTransport } from './transport';

const CAPABILITIES: Capabilities = {
  engine: 'embedded',
  transactions: true,
  events: true,
  durability: true,
  subDocument: false,
};

/** Opens a directory, or a database that ends with its connection when there is no path. */
export async function openEmbedded(
  path: string | undefined,
  given: EmbeddedOptions,
  transcoder: Transcoder,
): Promise<Engine> {
  const options = resolveEmbeddedOptions(given, path === undefined);
  const environment = await Environment.open({ ...options, path });
  try {
    await environment.exclusively(() =>
      environment.catalog.declare(options.classes, options.readOnly, options.onProgress),
    );
  } catch (error) {
    await environment.release();
    throw error;
  }
  return {
    capabilities: CAPABILITIES,
    drainTimeout: options.timeout,
    createTransport: (base: EventBase): Transport =>
      new EmbeddedTransport(base, environment, options, transcoder),
    close: () => environment.release(),
  };
}
