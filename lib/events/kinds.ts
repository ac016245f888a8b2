import { invalidArgument, shown } from '../arguments';
import type { ClassDefinition } from '../schema/class';

/** The kinds of events of a class that a subscription wants. */
export interface Kinds {
  readonly new: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly deleteAll: boolean;
  readonly checkpoint: boolean;
  readonly expire: boolean;
  /** Changes of the class itself: what is not asked for by name is not told. */
  readonly schema: boolean;
  /** Whose updates are events of their own, in the order of the class. */
  readonly fields: readonly string[];
}

/** Those of the wanted that the class declares; without any wanted, all of them. */
export function kindsOf({ events, fields }: ClassDefinition, wanted: readonly string[] | undefined): Kinds {
  if (wanted !== undefined && (!Array.isArray(wanted) || wanted.length === 0))
    throw invalidArgument('kinds', `kinds is an array of kinds, not ${shown(wanted)}`);
  const has = (kind: string): boolean =>
    events.some((event) => event.kind === kind) && (wanted === undefined || wanted.includes(kind));
  return {
    new: has('new'),
    update: has('update'),
    delete: has('delete'),
    deleteAll: has('deleteAll'),
    checkpoint: has('checkpoint'),
    expire: has('expire'),
    schema: wanted?.includes('schema') ?? false,
    fields: Object.keys(fields).filter(
      (name) =>
        events.some((event) => event.kind === 'fieldUpdate' && event.field === name) &&
        (wanted === undefined || wanted.includes(`fieldUpdate:${name}`)),
    ),
  };
}
