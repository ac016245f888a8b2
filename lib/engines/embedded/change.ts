import type { ChangeKind } from '../../events/change-kind';

/** A change on its way into the journal. */
export interface Change {
  readonly kind: ChangeKind;
  readonly flags: number;
  /** The number of the class in the schema. */
  readonly classId: number;
  /** Records as MessagePack with shapes. */
  readonly before: Buffer | undefined;
  readonly after: Buffer | undefined;
  /** A bit for each field of the class, from the lowest of the first byte on: whether an update changed it. */
  readonly changed: Buffer | undefined;
  /** Of deleteAll: how many. Of checkpoint: how often. Of expire: the moment it was due, in ms. Of schema: its version. */
  readonly extra: number;
}

/** What a writer says of its transaction. */
export interface TransactionMarks {
  /** Who writes: subscriptions can leave out what they caused themselves. */
  readonly origin?: string;
  /** Anything MessagePack can say. */
  readonly meta?: unknown;
}
