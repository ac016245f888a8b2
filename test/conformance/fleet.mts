import assert from 'node:assert/strict';
import {
  type PlacedServer,
  type PlacementName,
  placeKeys,
  serverOf,
} from '../../lib/cluster/placement/placement.ts';
import { connect } from '../../lib/connect.ts';
import type { Database } from '../../lib/database.ts';
import { type Memcached, startMemcached } from './memcached.mts';

/** Keys that no other part of a test has, each to be stored as its own value. */
export const keysOf = (part: string, number = 10_000): string[] =>
  Array.from({ length: number }, (_, index) => `${part}:${index}`);

/** No test may fail because the machine is slow. */
const patient = { timeout: 60_000, connectTimeout: 60_000 };

/** Real servers, and a client of ours for each of them. */
export class Fleet implements AsyncDisposable {
  readonly servers: readonly (PlacedServer & { readonly host: string; readonly port: number })[];
  readonly #processes: readonly Memcached[];
  readonly #clients: readonly Database[];

  private constructor(processes: readonly Memcached[], clients: readonly Database[]) {
    this.#processes = processes;
    this.#clients = clients;
    this.servers = processes.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  static async start(size: number): Promise<Fleet> {
    const processes = await Promise.all(Array.from({ length: size }, () => startMemcached()));
    const clients = await Promise.all(
      processes.map(({ port }) => connect(`memcached://127.0.0.1:${port}`, patient)),
    );
    return new Fleet(processes, clients);
  }

  /** Stores each key by a client of them all. */
  async store(placement: PlacementName, keys: readonly string[], servers = this.servers): Promise<void> {
    const named = servers.map((server) => ({ ...server, name: `${server.host}:${server.port}` }));
    const weights = Object.fromEntries(named.map(({ name, weight = 1 }) => [name, weight]));
    const url = `memcached://${named.map(({ name }) => name).join(',')}`;
    await using db = await connect(url, { ...patient, placement, weights });
    await Promise.all(keys.map((key) => db.upsert(key, key)));
  }

  /** Each key is on the server that the placement says, and on no other one. */
  async assertStored(
    placement: PlacementName,
    keys: readonly string[],
    servers = this.servers,
  ): Promise<void> {
    const expected = this.#split(placement, keys, servers);
    const found = await Promise.all(this.#clients.map((client) => client.getMany(keys)));
    assert.deepEqual(
      found.map((values) => [...values.keys()].sort()),
      expected.map((own) => [...own].sort()),
    );
    for (const own of expected) assert.ok(own.length > 0, 'each server has a part');
  }

  #split(placement: PlacementName, keys: readonly string[], servers: readonly PlacedServer[]): string[][] {
    const placed = placeKeys(placement, servers);
    const split = servers.map((): string[] => []);
    for (const key of keys) split[serverOf(placed, key)]?.push(key);
    return split;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#processes.map((process) => process[Symbol.asyncDispose]()));
  }
}
