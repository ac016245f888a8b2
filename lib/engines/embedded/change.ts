import type { ChangeKind } from '../../events/change-kind';

/** A change on its way into the journal. */
export interface Change {
  readonly kind: ChangeKind;
  readonly flags: number;
  /** The number of the class in the schema. */
  readonly classId: number;
  /** Records in MessagePack with shapes. */
  readonly before: Buffer | undefined;
  readonly after: Buffer | undefined;
  /**
   * One bit for each field of the class, starting with the lowest bit of the first byte: whether an update changed it.
   */
  readonly changed: Buffer | undefined;
  /**
   * deleteAll: the number of records. checkpoint: the number of changes. expire: when the record was due, in ms.
   * schema: the version.
   */
  readonly extra: number;
}

/** What a writer attaches to its transaction. */
export interface TransactionMarks {
  /** The name of the writer; subscriptions can skip their own changes by it. */
  readonly origin?: string;
  /** Any value that MessagePack can encode. */
  readonly meta?: unknown;
}
