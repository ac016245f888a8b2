// memcache-client: text protocol, pure JavaScript. It writes a buffer as it is and copies a string once more.
import { MemcacheClient } from 'memcache-client';
import type { Client, Contender, Target } from './contender.mts';

// Given per operation: the client takes a default of 0 for none, and stores for a minute.
const forever = { lifetime: 0 };

async function open({ host, ports: [port], authority }: Target): Promise<Client> {
  const client = new MemcacheClient({
    server: { server: `${host}:${port}`, maxConnections: 1 },
    cmdTimeout: 60_000,
    noDelay: true,
    ...(authority === undefined ? {} : { tls: { ca: authority } }),
  });
  // Connected before the load, or every operation of the first tick would wait on a promise of its own.
  await client.version();
  return {
    get: (key) => client.get<Buffer>(key).then((found) => found?.value),
    set: (key, value) => client.set(key, value, forever),
    async getMany(keys) {
      const found = await client.get<Record<string, { tokens: string[]; value: Buffer }>>(keys);
      return (key) => found[key]?.value;
    },
    async close() {
      client.shutdown();
    },
  };
}

export const contender: Contender = { name: 'memcache-client', values: 'buffer', open };
