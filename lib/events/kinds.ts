import { invalidArgument, shown } from '../arguments';
import type { ClassDefinition } from '../schema/class';
import { hasUpdateEvent, WHOLE_KINDS } from '../schema/events';

/** The event kinds of a class that a subscription wants. */
export interface Kinds {
  readonly new: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly deleteAll: boolean;
  readonly checkpoint: boolean;
  readonly expire: boolean;
  /** Changes of the class itself; delivered only when explicitly requested. */
  readonly schema: boolean;
  /** Fields whose updates are separate events, in class order. */
  readonly fields: readonly string[];
}

/** The names of the kinds that can be delivered for a class: those it declares or, with implicit events, all. */
export function toldKinds({ events, fields }: ClassDefinition, isImplicit: boolean): ReadonlySet<string> {
  return new Set(isImplicit ? [...WHOLE_KINDS, ...updatedFields(fields)] : events.map(spelt));
}

/**
 * The default kinds: those that the class declares; with implicit events and no declarations, all kinds of whole
 * records.
 */
function standardKinds({ events }: ClassDefinition, isImplicit: boolean): readonly string[] {
  return isImplicit && events.length === 0 ? WHOLE_KINDS : events.map(spelt);
}

const updatedFields = (fields: ClassDefinition['fields']): string[] =>
  Object.entries(fields)
    .filter(([, type]) => hasUpdateEvent(type))
    .map(([name]) => `fieldUpdate:${name}`);

function spelt(event: ClassDefinition['events'][number]): string {
  return event.kind === 'fieldUpdate' ? `fieldUpdate:${event.field}` : event.kind;
}

/** The wanted kinds that can be delivered for the class. */
export function kindsOf(
  definition: ClassDefinition,
  isImplicit: boolean,
  wanted: readonly string[] | undefined,
): Kinds {
  if (wanted !== undefined && (!Array.isArray(wanted) || wanted.length === 0))
    throw invalidArgument('kinds', `kinds is an array of kinds, not ${shown(wanted)}`);
  const told = toldKinds(definition, isImplicit);
  const asked = new Set(wanted ?? standardKinds(definition, isImplicit));
  const has = (kind: string): boolean => told.has(kind) && asked.has(kind);
  return {
    new: has('new'),
    update: has('update'),
    delete: has('delete'),
    deleteAll: has('deleteAll'),
    checkpoint: has('checkpoint'),
    expire: has('expire'),
    schema: asked.has('schema'),
    fields: Object.keys(definition.fields).filter((name) => has(`fieldUpdate:${name}`)),
  };
}
