import type { Change } from '../vbucket';

/** Which collections a stream is of; neither: all of the bucket. */
export interface Filter {
  readonly collections?: ReadonlySet<number> | undefined;
  readonly scope?: number | undefined;
}

/** Whether a change is for a stream; `scopeOf` tells where the collection is, or was. */
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
