import type { Expansion, Notes } from '../../events/change-log';
import { isAlive, type Lease, newLease, RENEWAL_MS } from '../../events/lease';
import { clearInterval, setInterval } from '../../platform';
import type { ClassStore } from './class-store';
import { peek, type Tree } from './lmdb';

const prefixOf = (classId: number): string => `expand:${classId}:`;

/** Which classes somebody wants to know each record of that a deleteAll removes: here, and in other processes. */
export class Expanders {
  readonly #tree: Tree;
  readonly #here = new Map<number, number>();

  constructor(subscriptions: Tree) {
    this.#tree = subscriptions;
  }

  /** In a write transaction. */
  wants({ id }: ClassStore): boolean {
    if ((this.#here.get(id) ?? 0) > 0) return true;
    const prefix = prefixOf(id);
    for (const key of this.#tree.getKeys({ start: Buffer.from(prefix), end: Buffer.from(`expand:${id};`) })) {
      if (isWanted(peek(this.#tree, key)?.toString())) return true;
    }
    return false;
  }

  /** From now on for writers of this thread; for all others once `ready` has resolved. */
  begin(classIds: readonly number[], holder: string, isPermanent: boolean, notes: Notes): Expansion {
    const count = (by: number): void => {
      for (const id of classIds) this.#here.set(id, (this.#here.get(id) ?? 0) + by);
    };
    // A durable one outlives this thread: what is written down of it counts, and its end is that of its name.
    if (!isPermanent) count(1);
    const write = (text: string | undefined): Promise<void> =>
      notes.write((pen) => {
        for (const id of classIds) {
          // Those who could not take back what they wrote leave it to others.
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
        // What cannot be taken back runs out.
        write(undefined).catch(() => {});
      },
    };
  }
}

/** Of durable subscriptions, which want it whether or not they are at work. */
const PERMANENT = 'durable';

function isWanted(text: string | undefined): boolean {
  if (text === undefined || text === PERMANENT) return text !== undefined;
  try {
    return isAlive(JSON.parse(text) as Lease);
  } catch {
    return false; // nobody has written that
  }
}
