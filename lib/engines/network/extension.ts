import type { CollectionName } from '../../transactions/documents';
import type { Kind, Operation } from '../../transactions/operation';

/** What keeps an operation from being submitted. */
export interface Wait {
  /** Resolves when it may be submitted; if it rejects, so does the operation. */
  readonly until: Promise<unknown>;
  /** Why it was not done before, for its error at the deadline. */
  why(): Error | undefined;
  /** Later operations of its key need not stay behind it. */
  readonly mayBePassed: boolean;
}

/** 'late': it could be retried, but there is no time left. */
export type Retry = Omit<Wait, 'why'> | 'late';

/** What an engine adds to its operations beyond key, value and details. */
export interface Extension {
  /** Those of the collections whose ids are not known yet. */
  unknownOf(collections: readonly CollectionName[]): readonly CollectionName[];
  /**
   * Writes further parameters of the call. Returns CODE_… bits, or what the operation has to wait for first. `batch`: the
   * collections that unknownOf() found among those of the operations with which it is to be sent.
   */
  prepare(
    operation: Operation,
    words: Uint32Array,
    usualTimeout: number,
    batch: readonly CollectionName[],
  ): number | Wait;
  /** Writes the parameters on which the check of a key depends. Returns CODE_… bits. */
  prepareCheck(collection: CollectionName | undefined, words: Uint32Array): number;
  /** A server has returned an operation because it does not have its partition. `configuration` may be empty. */
  sentBack(server: string, configuration: Buffer): void;
  /** A server has sent a notice. `beside` is the number of bytes of `value` before the key. */
  noticed(server: string, opcode: number, value: Buffer, beside: number): void;
  /** Whether an answer with this status, other than SUCCESS, is a success. */
  isSuccess(kind: Kind, status: number): boolean;
  /** When to resubmit an operation that was answered with this status; undefined: the status is final. */
  retry(operation: Operation, status: number, body: () => Buffer): Retry | undefined;
}
