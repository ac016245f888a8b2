// memcached (npm): text protocol, pure JavaScript. Its socket decodes to strings, so strings are what it moves best.
import { createRequire } from 'node:module';
import { type Client, type Contender, serversOf, type Target, type Value } from './contender.mts';

type Callback<T> = (error: Error | undefined, value: T) => void;

interface MemcachedClient {
  get(key: string, callback: Callback<string | undefined>): void;
  getMulti(keys: string[], callback: Callback<Record<string, string>>): void;
  set(key: string, value: Value, lifetime: number, callback: Callback<boolean>): void;
  end(): void;
}

type Memcached = new (servers: string[], options: Record<string, number>) => MemcachedClient;

const MemcachedClass: Memcached = createRequire(import.meta.url)('memcached');
const minute = 60_000;

async function open(target: Target): Promise<Client> {
  // One connection to a server, as everywhere; retries would hide a refused operation behind a second's pause.
  const client = new MemcachedClass(serversOf(target), {
    poolSize: 1,
    retries: 0,
    timeout: minute,
    idle: minute,
    maxValue: 4 * 1024 * 1024,
  });
  const promised = <T,>(start: (callback: Callback<T>) => void) =>
    new Promise<T>((resolve, reject) => {
      start((error, value) => (error ? reject(error) : resolve(value)));
    });
  const opened: Client = {
    get: (key) => promised<string | undefined>((callback) => client.get(key, callback)),
    set: (key, value) => promised<boolean>((callback) => client.set(key, value, 0, callback)),
    async getMany(keys) {
      const values = await promised<Record<string, string>>((callback) => client.getMulti(keys, callback));
      return (key) => values[key];
    },
    async close() {
      client.end();
    },
  };
  // Its pool refuses a second operation while the only connection is still being made: enough keys for each server.
  for (let i = 0; i < 10 * target.ports.length; i++) await opened.get(`warm-up-${i}`);
  return opened;
}

export const contender: Contender = { name: 'memcached', values: 'string', open };
