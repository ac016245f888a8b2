import type { Compound } from './compound';
import { type CollectionName, DEFAULT_NAME, type DocumentEngine } from './documents';
import type { Operation } from './operation';
import type { Target } from './target';

const isDefault = ({ scope, name }: CollectionName): boolean =>
  scope === DEFAULT_NAME && name === DEFAULT_NAME;

/** A target that sends all operations to one collection. */
export class CollectionTarget implements Target {
  readonly transcoder;
  readonly mayBeUnversioned;
  readonly withoutMeta;
  readonly #target: Target;
  readonly #collection: CollectionName | undefined;

  constructor(target: Target, collection: CollectionName) {
    this.transcoder = target.transcoder;
    this.mayBeUnversioned = target.mayBeUnversioned;
    this.withoutMeta = target.withoutMeta;
    this.#target = target;
    this.#collection = isDefault(collection) ? undefined : collection;
  }

  now(): number {
    return this.#target.now();
  }

  documents(feature: string): DocumentEngine {
    return this.#target.documents(feature);
  }

  dispatch<T>(operation: Operation): Promise<T> {
    operation.collection = this.#collection;
    return this.#target.dispatch(operation);
  }

  dispatchMany<R>(many: Compound<R>): Promise<R> {
    many.collection = this.#collection;
    return this.#target.dispatchMany(many);
  }

  refused(op: string, key: unknown, error: unknown): void {
    this.#target.refused?.(op, key, error);
  }
}
