import { invalidArgument, shown } from '../../arguments';
import { objectOf, parseDocument, textOf } from './json';

/** The answer to COLLECTIONS_GET_ID. */
export interface CollectionAnswer {
  /** The uid of the server's manifest. */
  readonly manifest: bigint;
  readonly id: number;
}

/** Requests the id of `scope.collection` from a server. */
export type AskForCollection = (path: string) => Promise<CollectionAnswer>;

/**
 * What to do about an operation for which a server does not know the collection. 'ask': request the id again. 'wait': the
 * server's manifest is outdated; retry later with the same id. 'gone': the collection does not exist.
 */
export type UnknownCollection = 'ask' | 'wait' | 'gone';

/** The name of the default scope and collection, which every bucket has. */
const DEFAULT = '_default';
const DEFAULT_ID = 0;
const LONGEST_NAME = 251;

/** Throws InvalidArgumentError (`scope` or `collection`) for a name that no bucket can have. */
export function checkCollectionName(argument: 'scope' | 'collection', name: unknown): string {
  if (typeof name !== 'string' || name.length > LONGEST_NAME || !/^[\w%-]+$/.test(name))
    throw invalidArgument(
      argument,
      `${argument} is a name of 1 to ${LONGEST_NAME} of the characters A-Z a-z 0-9 _ % -, not ${shown(name)}`,
    );
  return name;
}

/** More than a bucket can have: the oldest of more ids are mostly those of collections that were dropped. */
const MOST_IDS = 4096;

/** A cache of collection ids. */
export class CollectionIds {
  readonly #ask: AskForCollection;
  /** By `scope.collection`; promises are pending requests. */
  readonly #known = new Map<string, CollectionAnswer | Promise<number>>();
  #clearings = 0;

  constructor(ask: AskForCollection) {
    this.#ask = ask;
  }

  /**
   * The id of a collection, without a promise if it is known. Concurrent calls share one request. Errors of the request are
   * passed on and not cached.
   */
  idOf(scope: string, collection: string): number | Promise<number> {
    if (scope === DEFAULT && collection === DEFAULT) return DEFAULT_ID;
    return this.#idAt(`${scope}.${collection}`);
  }

  /** The bucket is another one of the same name: whoever waits for an id gets that of the new bucket. */
  clear(): void {
    this.#clearings += 1;
    this.#known.clear();
  }

  #idAt(path: string): number | Promise<number> {
    const known = this.#known.get(path);
    if (known instanceof Promise) return known;
    if (known !== undefined) return known.id;
    const asked = this.#resolve(path);
    this.#known.set(path, asked);
    return asked;
  }

  async #resolve(path: string): Promise<number> {
    // So that the caller has stored the promise, even if the request throws.
    await undefined;
    const clearings = this.#clearings;
    const isOutdated = (): boolean => this.#clearings > clearings;
    try {
      const answer = await this.#ask(path);
      if (!isOutdated()) {
        this.#known.set(path, answer);
        const [oldest] = this.#known.size > MOST_IDS ? this.#known.keys() : [];
        if (oldest !== undefined) this.#known.delete(oldest);
        return answer.id;
      }
    } catch (error) {
      if (!isOutdated()) {
        this.#known.delete(path);
        throw error;
      }
    }
    return this.#idAt(path);
  }

  /** A server does not know the id. `manifest`: the result of manifestOf() for its answer. */
  unknown(scope: string, collection: string, id: number, manifest: bigint | undefined): UnknownCollection {
    if (scope === DEFAULT && collection === DEFAULT) return 'gone';
    const path = `${scope}.${collection}`;
    const known = this.#known.get(path);
    // The id was already requested again.
    if (known === undefined || known instanceof Promise || known.id !== id) return 'ask';
    if (manifest !== undefined && manifest < known.manifest) return 'wait';
    this.#known.delete(path);
    return manifest === known.manifest ? 'gone' : 'ask';
  }
}

const LONGEST_UID = 16;

/** The manifest uid in the body of an unknown-collection or unknown-scope answer; undefined if it has none. */
export function manifestOf(body: string | Uint8Array): bigint | undefined {
  try {
    const { manifest_uid: uid } = objectOf(parseDocument(body), 'the body');
    const digits = textOf(uid, 'manifest_uid');
    return digits.length <= LONGEST_UID && /^[0-9a-f]+$/i.test(digits) ? BigInt(`0x${digits}`) : undefined;
  } catch {
    return undefined;
  }
}
