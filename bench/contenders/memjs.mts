// memjs: binary protocol, pure JavaScript. The callback form is its cheapest; it has no multi-get.
import { createRequire } from 'node:module';
import { type Client, type Contender, serversOf, type Target } from './contender.mts';

type Callback<T> = (error: Error | null, value: T) => void;

interface MemjsClient {
  get(key: string, callback: Callback<Buffer | null>): void;
  set(key: string, value: Buffer | string, options: object, callback: Callback<boolean | null>): void;
  close(): void;
}

interface Memjs {
  Client: { create(servers: string, options: { timeout: number; retries: number }): MemjsClient };
}

const memjs: Memjs = createRequire(import.meta.url)('memjs');

async function open(target: Target): Promise<Client> {
  const client = memjs.Client.create(serversOf(target).join(), { timeout: 60, retries: 0 });
  const get = (key: string) =>
    new Promise<Buffer | null>((resolve, reject) => {
      client.get(key, (error, value) => (error ? reject(error) : resolve(value)));
    });
  return {
    get,
    set: (key, value) =>
      new Promise((resolve, reject) => {
        client.set(key, value, {}, (error, stored) => (error ? reject(error) : resolve(stored)));
      }),
    async getMany(keys) {
      const values = await Promise.all(keys.map(get));
      return (_key, index) => values[index] ?? undefined;
    },
    async close() {
      client.close();
    },
  };
}

export const contender: Contender = { name: 'memjs', values: 'buffer', open };
