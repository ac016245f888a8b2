import { invalidArgument, shown } from '../../arguments';
import { objectOf, parseDocument, textOf } from './json';

/** What COLLECTIONS_GET_ID answers. */
export interface CollectionAnswer {
  /** The uid of the manifest that the server went by. */
  readonly manifest: bigint;
  readonly id: number;
}

/** Asks a server for the id of `scope.collection`. */
export type AskForCollection = (path: string) => Promise<CollectionAnswer>;

/**
 * What is to be done about an operation whose collection a server does not know: 'ask': it may have another id by now. 'wait': the
 * server has not heard of the collection yet. 'gone': there is none of this name.
 */
export type UnknownCollection = 'ask' | 'wait' | 'gone';

/** The scope and the collection that every bucket has. */
const DEFAULT = '_default';
const DEFAULT_ID = 0;
const LONGEST_NAME = 251;

/** Throws InvalidArgumentError (`scope` or `collection`) for what is no name in any bucket. */
export function checkCollectionName(argument: 'scope' | 'collection', name: unknown): string {
  if (typeof name !== 'string' || name.length > LONGEST_NAME || !/^[\w%-]+$/.test(name))
    throw invalidArgument(
      argument,
      `${argument} is a name of 1 to ${LONGEST_NAME} of the characters A-Z a-z 0-9 _ % -, not ${shown(name)}`,
    );
  return name;
}

/** The ids that stand for collections on the wire, as far as they are known. */
export class CollectionIds {
  readonly #ask: AskForCollection;
  /** By path; those that are being asked for are promises. */
  readonly #known = new Map<string, CollectionAnswer | Promise<number>>();

  constructor(ask: AskForCollection) {
    this.#ask = ask;
  }

  /**
   * A number where it is known. Several who want the same at once ask once. Rejects with what the question rejects with, and the
   * next one asks again.
   */
  idOf(scope: string, collection: string): number | Promise<number> {
    if (scope === DEFAULT && collection === DEFAULT) return DEFAULT_ID;
    const path = `${scope}.${collection}`;
    const known = this.#known.get(path);
    if (known instanceof Promise) return known;
    if (known !== undefined) return known.id;
    const asked = this.#resolve(path);
    this.#known.set(path, asked);
    return asked;
  }

  async #resolve(path: string): Promise<number> {
    // By then the promise is known under the path, whatever the question does.
    await undefined;
    try {
      const answer = await this.#ask(path);
      this.#known.set(path, answer);
      return answer.id;
    } catch (error) {
      this.#known.delete(path);
      throw error;
    }
  }

  /**
   * A server does not know the id that was sent to it. `manifest`: the uid of its manifest, of manifestOf(); undefined: it does not
   * tell.
   */
  unknown(scope: string, collection: string, id: number, manifest: bigint | undefined): UnknownCollection {
    if (scope === DEFAULT && collection === DEFAULT) return 'gone';
    const path = `${scope}.${collection}`;
    const known = this.#known.get(path);
    // Somebody else has asked meanwhile.
    if (known === undefined || known instanceof Promise || known.id !== id) return 'ask';
    if (manifest !== undefined && manifest < known.manifest) return 'wait';
    this.#known.delete(path);
    return manifest === known.manifest ? 'gone' : 'ask';
  }
}

const LONGEST_UID = 16;

/**
 * The uid of the manifest in the body of an answer that says that a collection or scope is not known; undefined where there is none:
 * a body is for people first.
 */
export function manifestOf(body: string | Uint8Array): bigint | undefined {
  try {
    const { manifest_uid: uid } = objectOf(parseDocument(body), 'the body');
    const digits = textOf(uid, 'manifest_uid');
    return digits.length <= LONGEST_UID && /^[0-9a-f]+$/i.test(digits) ? BigInt(`0x${digits}`) : undefined;
  } catch {
    return undefined;
  }
}
