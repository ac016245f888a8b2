import { createHash } from 'node:crypto';
import { shown } from '../../arguments';
import { isError } from '../../foreign';
import { type HostPort, nameOfServer } from '../connection-string';
import type { ClusterMap } from './cluster-map';
import { parseConfiguration } from './configuration';
import { checkSize, notUnderstood } from './json';
import { chooseNetwork, serversIn } from './network';
import { compareRevisions, type Revision, supersedes } from './revision';

/** A cluster as a client reaches it: the next one takes its place whole. */
export interface ClusterState {
  readonly map: ClusterMap;
  readonly network: string;
  /** Where each of the map's servers is reached; undefined: it does not listen for that. */
  readonly servers: readonly (HostPort | undefined)[];
}

export interface ConfigurationOptions {
  /** undefined: the cluster's own configuration is wanted. */
  readonly bucket: string | undefined;
  /** As checkNetwork() returns it. */
  readonly network: string;
  readonly isEncrypted: boolean;
}

export type StateListener = (state: ClusterState) => void;

const MOST_REMEMBERED = 64;

/** Judges what servers tell, and keeps the newest of it. */
export class Configurations {
  readonly #options: ConfigurationOptions;
  readonly #listeners = new Set<StateListener>();
  /** By digest, documents that are not news, the least recently told one first, and why those are refused that are. */
  readonly #judged = new Map<string, Error | undefined>();
  #network: string | undefined;
  #current: ClusterState | undefined;

  constructor(options: ConfigurationOptions) {
    this.#options = options;
  }

  get current(): ClusterState | undefined {
    return this.#current;
  }

  /** The one that is wanted is there, and not only the cluster's own. */
  get isComplete(): boolean {
    return this.#current !== undefined && this.#current.map.bucket?.name === this.#options.bucket;
  }

  /** What to ask for newer ones than. */
  get known(): Revision | undefined {
    return this.isComplete ? this.#current?.map.revision : undefined;
  }

  isNews(revision: Revision): boolean {
    return this.known === undefined || compareRevisions(revision, this.known) > 0;
  }

  /** Calls back with each that takes the place of another, until the function that is returned is called. */
  listen(listener: StateListener): () => void {
    const each: StateListener = (state) => listener(state);
    this.#listeners.add(each);
    return () => void this.#listeners.delete(each);
  }

  /**
   * What a server has told that was reached at `teller`; whether it is the newest now. Throws ConnectionError for what is not understood or
   * is of another bucket, and what parseConfiguration() and chooseNetwork() throw.
   */
  offer(document: string | Uint8Array, teller: HostPort): boolean {
    checkSize(document);
    // While partitions move, answer after answer brings the same one.
    const digest = createHash('sha256').update(document).update(teller.host).digest('base64');
    if (this.#judged.has(digest)) {
      const fault = this.#judged.get(digest);
      this.#remember(digest, fault);
      if (fault !== undefined) throw fault;
      return false;
    }
    try {
      const isNew = this.#judge(document, teller);
      this.#remember(digest, undefined);
      return isNew;
    } catch (error) {
      this.#remember(digest, isError(error) ? error : new Error(String(error)));
      throw error;
    }
  }

  /**
   * The server that has a partition says that it does not: the partition is where the configuration says that it will be after the
   * rebalance, if it does. Whether that is news.
   */
  fastForward(partition: number, teller: HostPort): boolean {
    const current = this.#current;
    const bucket = current?.map.bucket;
    const partitions = bucket?.partitions;
    if (current === undefined || bucket === undefined || partitions === undefined) return false;
    const server = current.servers[partitions.serverOf(partition)];
    const isOwner = server !== undefined && nameOfServer(server) === nameOfServer(teller);
    const next = isOwner ? partitions.withNext(partition) : undefined;
    if (next === undefined) return false;
    const moved = Object.freeze({ ...bucket, partitions: next });
    this.#publish(Object.freeze({ ...current, map: Object.freeze({ ...current.map, bucket: moved }) }));
    return true;
  }

  #judge(document: string | Uint8Array, teller: HostPort): boolean {
    const map = parseConfiguration(document, teller);
    const { bucket, network: wanted, isEncrypted } = this.#options;
    const name = map.bucket?.name;
    if (name !== undefined && name !== bucket)
      throw notUnderstood(`it is of the bucket ${shown(name)}, and not of ${shown(bucket)}`);
    if (!supersedes(map, this.#current?.map)) return false;
    const network = this.#network ?? chooseNetwork(map, wanted, teller);
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
