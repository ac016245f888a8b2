import type { Change } from '../vbucket';

/** The collections of a stream. Without either property: all of the bucket. */
export interface Filter {
  readonly collections?: ReadonlySet<number> | undefined;
  readonly scope?: number | undefined;
}

/** Whether a filter selects a change. */
export function isFor(
  { collections, scope }: Filter,
  change: Change,
  scopeOf: (collection: number) => number | undefined,
): boolean {
  if (collections === undefined && scope === undefined) return true;
  if (change.kind === 'document') {
    const { collection } = change.document;
    return collections?.has(collection) ?? scopeOf(collection) === scope;
  }
  const { event } = change;
  if (scope !== undefined) return event.scope === scope;
  return 'collection' in event && (collections?.has(event.collection) ?? false);
}
