import type { Expansion, Notes } from '../../events/change-log';
import { isAlive, type Lease, newLease, RENEWAL_MS } from '../../events/lease';
import { clearInterval, setInterval } from '../../platform';
import type { ClassStore } from './class-store';
import { peek, type Tree } from './lmdb';

const prefixOf = (classId: number): string => `expand:${classId}:`;

/** The classes for which some subscription, here or in another process, wants each record removed by a deleteAll. */
export class Expanders {
  readonly #tree: Tree;
  readonly #here = new Map<number, number>();

  constructor(subscriptions: Tree) {
    this.#tree = subscriptions;
  }

  /** Call in a write transaction. */
  wants({ id }: ClassStore): boolean {
    if ((this.#here.get(id) ?? 0) > 0) return true;
    const prefix = prefixOf(id);
    for (const key of this.#tree.getKeys({ start: Buffer.from(prefix), end: Buffer.from(`expand:${id};`) })) {
      if (isWanted(peek(this.#tree, key)?.toString())) return true;
    }
    return false;
  }

  /** Takes effect at once for writers of this thread, and for others when `ready` has resolved. */
  begin(classIds: readonly number[], holder: string, isPermanent: boolean, notes: Notes): Expansion {
    const count = (by: number): void => {
      for (const id of classIds) this.#here.set(id, (this.#here.get(id) ?? 0) + by);
    };
    // A durable subscription outlives this thread, so only its stored request counts; it ends when the name is
    // forgotten.
    if (!isPermanent) count(1);
    const write = (text: string | undefined): Promise<void> =>
      notes.write((pen) => {
        for (const id of classIds) {
          // Requests of holders that could not remove their own are removed here.
          for (const name of notes.list(prefixOf(id)))
            if (!isWanted(pen.read(name))) pen.write(name, undefined);
          pen.write(prefixOf(id) + holder, text);
        }
      });
    const renew = (): Promise<void> => write(isPermanent ? PERMANENT : JSON.stringify(newLease(holder)));
    const timer = isPermanent ? undefined : setInterval(() => renew().catch(() => {}), RENEWAL_MS);
    timer?.unref();
    return {
      ready: renew(),
      end: () => {
        if (isPermanent) return;
        clearInterval(timer);
        count(-1);
        // If this write fails, the request expires.
        write(undefined).catch(() => {});
      },
    };
  }
}

/** The request of a durable subscription, which is valid whether or not the subscription is running. */
const PERMANENT = 'durable';

function isWanted(text: string | undefined): boolean {
  if (text === undefined || text === PERMANENT) return text !== undefined;
  try {
    return isAlive(JSON.parse(text) as Lease);
  } catch {
    return false; // written by something else
  }
}
