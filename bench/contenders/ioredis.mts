// ioredis against a Redis server, another server and protocol: for orientation only, no target refers to it.
import { Redis } from 'ioredis';
import type { Client, Contender, Target } from './contender.mts';

async function open({ host, ports: [port = 0] }: Target): Promise<Client> {
  const redis = new Redis({ host, port, enableAutoPipelining: true, lazyConnect: true });
  await redis.connect();
  return {
    get: (key) => redis.get(key),
    set: (key, value) => redis.set(key, value),
    async getMany(keys) {
      const values = await redis.mget(keys);
      return (_key, index) => values[index] ?? undefined;
    },
    async close() {
      redis.disconnect();
    },
  };
}

export const contender: Contender = { name: 'ioredis', values: 'string', open };
