import { invalidArgument, shown } from '../arguments';
import type { ClassDefinition } from '../schema/class';
import { hasUpdateEvent, WHOLE_KINDS } from '../schema/events';

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

/** The kinds that can be told of a class, as they are spelt: what it declares or, where events are implicit, all. */
export function toldKinds({ events, fields }: ClassDefinition, isImplicit: boolean): ReadonlySet<string> {
  return new Set(isImplicit ? [...WHOLE_KINDS, ...updatedFields(fields)] : events.map(spelt));
}

/** What is told where no kinds are asked for: what the class declares or, where that is nothing, all of whole records. */
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

/** Those of the wanted that can be told of the class. */
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
