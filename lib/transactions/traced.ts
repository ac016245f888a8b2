import type { ClassDefinition } from '../schema/class';
import { traced } from '../stacks';
import type { Compound } from './compound';
import type { Operation } from './operation';
import type { Records } from './records';
import type { Target } from './target';

/** A target whose errors show the caller's stack. */
export function tracedTarget(target: Target): Target {
  return {
    transcoder: target.transcoder,
    mayBeUnversioned: target.mayBeUnversioned,
    withoutMeta: target.withoutMeta,
    now: () => target.now(),
    documents: (feature) => target.documents(feature),
    dispatch: <T>(operation: Operation) => traced(target.dispatch<T>(operation)),
    dispatchMany: <R>(many: Compound<R>) => traced(target.dispatchMany(many)),
    refused: (op, key, error) => target.refused?.(op, key, error),
  };
}

/** The same for the records of a class. Queries are excluded: their errors arise in the caller's own loop. */
export function tracedRecords<C extends ClassDefinition>(records: Records<C>): Records<C> {
  return {
    definition: records.definition,
    get: (...given) => traced(records.get(...given)),
    getRecord: (...given) => traced(records.getRecord(...given)),
    exists: (...given) => traced(records.exists(...given)),
    insert: (...given) => traced(records.insert(...given)),
    upsert: (...given) => traced(records.upsert(...given)),
    update: (...given) => traced(records.update(...given)),
    remove: (...given) => traced(records.remove(...given)),
    deleteAll: (...given) => traced(records.deleteAll(...given)),
    find: (options) => records.find(options),
  };
}
