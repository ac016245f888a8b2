import type { CollectionIds } from '../../cluster/couchbase/collections';
import { ClosedError, ServerError } from '../../errors';
import type { Timers } from '../../event-base/event-base';
import { isError } from '../../foreign';
import type { CollectionName } from '../../transactions/documents';
import type { Wait } from '../network/extension';

/** ms before the id of a collection is asked for again. */
const PAUSE = 100;

/** The wait of all operations for the id of one collection. */
class AwaitedId implements Wait {
  until: Promise<unknown> = Promise.resolve();
  isRunning = false;
  fault: Error | undefined;
  readonly mayBePassed = false;

  why(): Error | undefined {
    return this.fault;
  }
}

/**
 * The ids of collections for operations, which wait for those that are not known. If no server can tell one, it is asked for
 * again after a pause, for as long as operations want it.
 */
export class AwaitedIds {
  readonly #ids: CollectionIds;
  readonly #timers: Timers;
  readonly #onFailure: () => void;
  /** By `scope.collection`. */
  readonly #awaited = new Map<string, AwaitedId>();

  /** `onFailure`: no server could tell. */
  constructor(ids: CollectionIds, timers: Timers, onFailure: () => void) {
    this.#ids = ids;
    this.#timers = timers;
    this.#onFailure = onFailure;
  }

  idOf({ scope, name }: CollectionName): number | Wait {
    // Usually there is none, and operations of collections need not be slowed down by looking.
    const path = this.#awaited.size === 0 ? '' : `${scope}.${name}`;
    const awaited = this.#awaited.get(path);
    if (awaited?.isRunning) return awaited;
    const id = this.#ids.idOf(scope, name);
    if (typeof id !== 'number') return this.#await(`${scope}.${name}`, id);
    this.#awaited.delete(path);
    return id;
  }

  /** Those whose ids are not known; they are asked for. */
  unknownOf(collections: readonly CollectionName[]): readonly CollectionName[] {
    return collections.filter((collection) => typeof this.idOf(collection) !== 'number');
  }

  /** undefined: the ids of all of them are known. */
  waitFor(collections: readonly CollectionName[]): Wait | undefined {
    let first: Wait | undefined;
    for (const collection of collections) {
      const id = this.idOf(collection);
      if (typeof id !== 'number') first ??= id;
    }
    return first;
  }

  #await(path: string, id: Promise<number>): Wait {
    const awaited = this.#awaited.get(path) ?? new AwaitedId();
    this.#awaited.set(path, awaited);
    awaited.isRunning = true;
    awaited.until = this.#round(path, awaited, id);
    awaited.until.catch(() => {}); // perhaps nobody waits for it yet
    return awaited;
  }

  async #round(path: string, awaited: AwaitedId, id: Promise<number>): Promise<void> {
    try {
      await id;
      this.#awaited.delete(path);
    } catch (error) {
      // What a server has answered is final.
      if (error instanceof ServerError || error instanceof ClosedError) {
        this.#awaited.delete(path);
        throw error;
      }
      awaited.fault = isError(error) ? error : new Error(String(error));
      this.#onFailure();
      await new Promise<void>((resolve) => void this.#timers.timer(PAUSE, resolve));
      awaited.isRunning = false;
    }
  }
}
