import type { AnswerBuffer } from './answers';
import type { Credentials } from './credentials';
import { Status } from './protocol';
import type { PrefixCounters } from './stat-groups';
import type { Counters } from './stats';
import type { Item, Outcome, Store, Write } from './store';

/** What commands act on. */
export interface CommandContext {
  readonly store: Store;
  readonly counters: Counters;
  readonly answers: AnswerBuffer;
  readonly prefixes: PrefixCounters;
  readonly version: string;
  /** Whom commands are for; undefined: for everybody. */
  readonly credentials: Credentials | undefined;
  /** A group of STAT by its name, the general one without; undefined for one that there is not. */
  statistics(group: string): Readonly<Record<string, string | number>> | undefined;
}

/** What the protocols have in common: each command acts on the store and is counted. */

export function get(context: CommandContext, key: string): Item | undefined {
  return countGet(context, key, context.store.get(key));
}

/** Counts a look-up of which the caller has taken care itself. */
export function countGet(context: CommandContext, key: string, item: Item | undefined): Item | undefined {
  context.counters.cmd_get += 1;
  if (item !== undefined) context.counters.get_hits += 1;
  else context.counters.get_misses += 1;
  if (context.prefixes.enabled) context.prefixes.get(key, item !== undefined);
  return item;
}

export function touch(context: CommandContext, key: string, expiry: number): Item | undefined {
  return countTouch(context, context.store.touch(key, expiry));
}

export function countTouch({ counters }: CommandContext, item: Item | undefined): Item | undefined {
  counters.cmd_touch += 1;
  if (item !== undefined) counters.touch_hits += 1;
  else counters.touch_misses += 1;
  return item;
}

export function store(context: CommandContext, write: Write): Outcome {
  countStore(context, write.key);
  const { counters } = context;
  const outcome = context.store.store(write);
  if (write.mode !== 'cas') return outcome;
  if (outcome === Status.success) counters.cas_hits += 1;
  else if (outcome === Status.keyNotFound) counters.cas_misses += 1;
  else counters.cas_badval += 1;
  return outcome;
}

/** Once a newer value has been refused, the older one must not be served as if it were current. */
export function refuseTooLarge(context: CommandContext, key: string, replaces: boolean): void {
  countStore(context, key);
  if (replaces) context.store.remove(key);
}

function countStore({ counters, prefixes }: CommandContext, key: string): void {
  counters.cmd_set += 1;
  if (prefixes.enabled) prefixes.set(key);
}

export function remove(context: CommandContext, key: string, cas = 0n): Outcome {
  if (context.prefixes.enabled) context.prefixes.delete(key);
  return countRemove(context, context.store.remove(key, cas));
}

export function countRemove({ counters }: CommandContext, outcome: Outcome): Outcome {
  if (outcome === Status.success) counters.delete_hits += 1;
  else if (outcome === Status.keyNotFound) counters.delete_misses += 1;
  return outcome;
}

export interface Counting {
  readonly key: string;
  readonly delta: bigint;
  readonly up: boolean;
  readonly cas: bigint;
  readonly newCas?: bigint | undefined;
  /** What a missing counter begins with, and the expiry of that. */
  readonly orCreate?: { readonly initial: bigint; readonly expiry: number } | undefined;
}

/** Counts; the number that is there now, or a status. */
export function count(context: CommandContext, counting: Counting): bigint | Outcome {
  const { key, delta, up, cas, newCas, orCreate } = counting;
  const { store, counters } = context;
  const result = store.count(key, delta, up, cas, newCas);
  if (typeof result === 'bigint') {
    if (up) counters.incr_hits += 1;
    else counters.decr_hits += 1;
    return result;
  }
  if (result !== Status.keyNotFound) return result;
  if (orCreate === undefined) {
    if (up) counters.incr_misses += 1;
    else counters.decr_misses += 1;
    return result;
  }
  const { initial, expiry } = orCreate;
  const value = Buffer.from(initial.toString(), 'latin1');
  store.store({ mode: 'add', key, value, flags: 0, expiry, cas: 0n, newCas });
  return initial;
}

export function flush({ store, counters }: CommandContext, delay: number): void {
  counters.cmd_flush += 1;
  store.flush(delay);
}

/** A group of STAT, or nothing where there is none of that name; `reset` begins all counters anew. */
export function statistics(
  context: CommandContext,
  group: string,
): Readonly<Record<string, string | number>> | undefined {
  if (group !== 'reset') return context.statistics(group);
  context.counters.reset();
  context.prefixes.clear();
  return {};
}
