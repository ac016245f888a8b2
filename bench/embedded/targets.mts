// What the embedded engine promises beside others.
import { atLeast, atMost, type Verdict } from '../targets.mts';
import type { Long } from './long.mts';

/** Operations a second by contender. */
export type Rates = Readonly<Record<string, number>>;
export type Results = Readonly<Record<string, Rates>>;

export function verdicts(results: Results, long: Partial<Long>): Verdict[] {
  const quotient = (a: number | undefined, b: number | undefined) => (a && b ? a / b : undefined);
  const at = (scenario: string, contender: string) => results[scenario]?.[contender];
  const ratio = (scenario: string, ours: string, base: string) =>
    quotient(at(scenario, ours), at(scenario, base));
  const get = 'get, warm';
  const batches = 'insert, batches of 100';
  const events = 'events that wait';
  const handler = 'ours, to a handler';
  const followed = (scenario: string) => ratio(scenario, 'another class followed', 'nobody follows');
  const { slowConsumer, deleteAll, deleteAllFollowed } = long;
  // Without pages of mapped files; where the system does not tell them apart there is nothing to say.
  const own = slowConsumer?.own;
  const grown = own && own.early > 0 ? own.late - 1.1 * own.early : undefined;
  return [
    atLeast('get: bare lmdb', 0.6, ratio(get, 'ours', 'lmdb')),
    atLeast('get: better-sqlite3', 2, ratio(get, 'ours', 'sqlite')),
    atLeast('batches of 100 with events: bare lmdb', 0.5, ratio(batches, 'ours, with events', 'lmdb')),
    atLeast('events to a handler: gets of bare lmdb', 0.4, quotient(at(events, handler), at(get, 'lmdb'))),
    atLeast('events to a handler: better-sqlite3 table of changes', 5, ratio(events, handler, 'sqlite')),
    atLeast(
      'inserts without events, another class followed: nobody',
      0.95,
      followed('without events, 256 in flight'),
    ),
    atLeast(
      'batches without events, another class followed: nobody',
      0.95,
      followed('without events, batches of 100'),
    ),
    atMost('commit to the handler of another process', 5, long.wakeUp?.median, 'ms'),
    atMost('slow consumer: memory of its own beyond 1.1 of the first third', 8, grown, 'MiB'),
    atMost('deleteAll followed: alone', 2, quotient(deleteAllFollowed?.took, deleteAll?.took)),
    atMost(
      'deleteAll followed: peak memory above alone',
      16,
      deleteAllFollowed && deleteAll && deleteAllFollowed.grew - deleteAll.grew,
      'MiB',
    ),
  ];
}
