import { createHash } from 'node:crypto';
import { shown } from '../../arguments';
import { isError } from '../../foreign';
import { type HostPort, nameOfServer } from '../connection-string';
import type { ClusterMap } from './cluster-map';
import { parseConfiguration } from './configuration';
import { checkSize, malformed } from './json';
import { chooseNetwork, serversIn } from './network';
import { compareRevisions, type Revision, supersedes } from './revision';

/** A configuration and the addresses to use. Immutable; the next state replaces it. */
export interface ClusterState {
  readonly map: ClusterMap;
  readonly network: string;
  /** The addresses of map.servers; undefined: the server has no such port. */
  readonly servers: readonly (HostPort | undefined)[];
}

export interface ConfigurationOptions {
  /** undefined: use the global configuration. */
  readonly bucket: string | undefined;
  /** A result of checkNetwork(). */
  readonly network: string;
  readonly isEncrypted: boolean;
}

export type StateListener = (state: ClusterState) => void;

const MOST_REMEMBERED = 64;

/** Checks the configurations that servers send and keeps the newest. */
export class Configurations {
  readonly #options: ConfigurationOptions;
  readonly #listeners = new Set<StateListener>();
  /** Digests of recent documents with the error of each invalid one, ordered by last use, oldest first. */
  readonly #judged = new Map<string, Error | undefined>();
  #network: string | undefined;
  #current: ClusterState | undefined;

  constructor(options: ConfigurationOptions) {
    this.#options = options;
  }

  get current(): ClusterState | undefined {
    return this.#current;
  }

  /** The current configuration is that of the wanted bucket, not only the global one. */
  get isComplete(): boolean {
    return this.#current !== undefined && this.#current.map.bucket?.name === this.#options.bucket;
  }

  /** The revision to send with a request, so that the server only returns a newer configuration. */
  get known(): Revision | undefined {
    return this.isComplete ? this.#current?.map.revision : undefined;
  }

  isNews(revision: Revision): boolean {
    return this.known === undefined || compareRevisions(revision, this.known) > 0;
  }

  /** Calls the listener with each new state. Returns a function that removes it. */
  listen(listener: StateListener): () => void {
    const each: StateListener = (state) => listener(state);
    this.#listeners.add(each);
    return () => void this.#listeners.delete(each);
  }

  /**
   * Takes a configuration from the node at `origin`. Returns whether it is new; one of a bucket that has no partitions yet
   * is not used. Throws ConnectionError if it is malformed or of another bucket, and the errors of parseConfiguration() and
   * chooseNetwork().
   */
  offer(document: string | Uint8Array, origin: HostPort): boolean {
    checkSize(document);
    // During a rebalance many answers contain the same configuration; parsing each one would block the loop.
    const digest = createHash('sha256').update(document).update(origin.host).digest('base64');
    if (this.#judged.has(digest)) {
      const fault = this.#judged.get(digest);
      this.#remember(digest, fault);
      if (fault !== undefined) throw fault;
      return false;
    }
    try {
      const isNew = this.#judge(document, origin);
      this.#remember(digest, undefined);
      return isNew;
    } catch (error) {
      this.#remember(digest, isError(error) ? error : new Error(String(error)));
      throw error;
    }
  }

  /**
   * Moves a partition as the running rebalance plans, because its current server, at `origin`, denied having it. Returns
   * whether that changed anything.
   */
  fastForward(partition: number, origin: HostPort): boolean {
    const current = this.#current;
    const bucket = current?.map.bucket;
    const partitions = bucket?.partitions;
    if (current === undefined || bucket === undefined || partitions === undefined) return false;
    const server = current.servers[partitions.serverOf(partition)];
    const isOwner = server !== undefined && nameOfServer(server) === nameOfServer(origin);
    const next = isOwner ? partitions.withNext(partition) : undefined;
    if (next === undefined) return false;
    const moved = Object.freeze({ ...bucket, partitions: next });
    this.#publish(Object.freeze({ ...current, map: Object.freeze({ ...current.map, bucket: moved }) }));
    return true;
  }

  #judge(document: string | Uint8Array, origin: HostPort): boolean {
    const map = parseConfiguration(document, origin);
    const { bucket, network: wanted, isEncrypted } = this.#options;
    const name = map.bucket?.name;
    if (name !== undefined && name !== bucket)
      throw malformed(`it belongs to the bucket ${shown(name)}, not to ${shown(bucket)}`);
    // Of a bucket that is being created: no key can be routed by it.
    const isUnassigned = map.bucket !== undefined && map.bucket.partitions === undefined;
    if (isUnassigned || !supersedes(map, this.#current?.map)) return false;
    const network = this.#network ?? chooseNetwork(map, wanted, origin);
    const servers = serversIn(map, network, isEncrypted);
    this.#network = network;
    this.#publish(Object.freeze({ map, network, servers }));
    return true;
  }

  #publish(state: ClusterState): void {
    this.#current = state;
    for (const listener of this.#listeners) listener(state);
  }

  #remember(digest: string, fault: Error | undefined): void {
    this.#judged.delete(digest);
    this.#judged.set(digest, fault);
    for (const oldest of this.#judged.keys()) {
      if (this.#judged.size <= MOST_REMEMBERED) break;
      this.#judged.delete(oldest);
    }
  }
}
