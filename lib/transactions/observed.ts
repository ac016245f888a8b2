import type { Observer } from '../observability/observer';
import type { ClassDefinition } from '../schema/class';
import type { Compound } from './compound';
import type { DocumentEngine } from './documents';
import { canMiss, nameOf, type Operation } from './operation';
import type { Records } from './records';
import type { Target } from './target';

/** A target whose operations are observed while somebody subscribes. */
export class ObservedTarget implements Target {
  readonly transcoder;
  readonly mayBeUnversioned;
  readonly withoutMeta;
  readonly #target: Target;
  readonly #observer: Observer;

  constructor(target: Target, observer: Observer) {
    this.transcoder = target.transcoder;
    this.mayBeUnversioned = target.mayBeUnversioned;
    this.withoutMeta = target.withoutMeta;
    this.#target = target;
    this.#observer = observer;
  }

  now(): number {
    return this.#target.now();
  }

  documents(feature: string): DocumentEngine {
    return this.#target.documents(feature);
  }

  dispatch<T>(operation: Operation): Promise<T> {
    countCall(this.#observer, operation);
    return this.#observer.isActive ? this.#observed(operation) : this.#target.dispatch(operation);
  }

  dispatchMany<R>(many: Compound<R>): Promise<R> {
    this.#observer.count(many.op);
    if (this.#observer.isActive)
      return observeMany(this.#observer, many, () => this.#target.dispatchMany(many));
    return this.#target.dispatchMany(many);
  }

  refused(op: string, key: unknown, error: unknown): void {
    this.#observer.refused({ op, key }, error);
  }

  // Separate from dispatch(), because V8 allocates a closure's context on every call of the enclosing function.
  #observed<T>(operation: Operation): Promise<T> {
    return observeOperation(this.#observer, operation, () => this.#target.dispatch<T>(operation));
  }
}

export function countCall({ kinds }: Observer, { kind }: Operation): void {
  kinds[kind] = (kinds[kind] as number) + 1;
}

export function observeOperation<T>(
  observer: Observer,
  operation: Operation,
  start: () => Promise<T>,
): Promise<T> {
  const op = nameOf(operation.kind);
  return observer.observe({ op, key: operation.key }, (trace) => {
    operation.trace = trace;
    const note = (): void => {
      trace.attempts = operation.attempts;
    };
    return noting(start(), note, (result) => {
      note();
      if (canMiss(operation.kind)) trace.hits = hitsOf(result);
    });
  });
}

export function observeMany<R>(observer: Observer, many: Compound<R>, start: () => Promise<R>): Promise<R> {
  const { op, keys } = many;
  return observer.observe({ op, key: keys, size: keys.length }, (trace) =>
    noting(start(), ignore, () => {
      trace.hits = many.hits;
    }),
  );
}

/**
 * The records of a class, with operations observed while somebody subscribes; of a query, only all(), first() and
 * count().
 */
export function observedRecords<C extends ClassDefinition>(
  records: Records<C>,
  observer: Observer,
): Records<C> {
  const { definition } = records;
  const observe = <T>(op: string, key: unknown, start: () => Promise<T>, mayMiss = false): Promise<T> => {
    observer.count(op);
    if (!observer.isActive) return start();
    return observer.observe({ op, key, class: definition.name }, (trace) =>
      noting(start(), ignore, (result) => {
        if (mayMiss) trace.hits = hitsOf(result);
      }),
    );
  };
  return {
    definition,
    get: (key, options) => observe('get', key, () => records.get(key, options), true),
    getRecord: (key, options) => observe('getRecord', key, () => records.getRecord(key, options), true),
    exists: (key, options) => observe('exists', key, () => records.exists(key, options), true),
    insert: (record, options) => observe('insert', undefined, () => records.insert(record, options)),
    upsert: (record, options) => observe('upsert', undefined, () => records.upsert(record, options)),
    update: (key, changes, options) => observe('update', key, () => records.update(key, changes, options)),
    remove: (key, options) => observe('remove', key, () => records.remove(key, options), true),
    deleteAll: (options) => observe('deleteAll', undefined, () => records.deleteAll(options)),
    find: (options) => {
      const query = records.find(options);
      const observed = <T>(start: () => Promise<T>): Promise<T> => observe('find', undefined, start);
      return {
        [Symbol.asyncIterator]: () => query[Symbol.asyncIterator](),
        all: () => observed(() => query.all()),
        first: () => observed(() => query.first()),
        count: () => observed(() => query.count()),
      };
    },
  };
}

/** The outcome of the promise, after it has been recorded. */
function noting<T>(promise: Promise<T>, onError: () => void, onResult: (result: T) => void): Promise<T> {
  return promise.then(
    (result) => {
      onResult(result);
      return result;
    },
    (error: unknown) => {
      onError();
      throw error;
    },
  );
}

const ignore = (): void => {};

/** A miss resolves to undefined or false. */
const hitsOf = (result: unknown): number => (result === undefined || result === false ? 0 : 1);
