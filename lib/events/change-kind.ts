/** What a journalled change is; the numbers are those of the journal. */
export const ChangeKind = {
  new: 1,
  update: 2,
  delete: 3,
  deleteAll: 4,
  checkpoint: 5,
  expire: 6,
  schema: 7,
} as const;
export type ChangeKind = (typeof ChangeKind)[keyof typeof ChangeKind];

/** In which of the two views of a transaction a change is seen, and more that is told by a bit. */
export const ChangeFlag = {
  /** One change for each record, from what it was before to what it is after. */
  net: 1,
  /** Every operation by itself. */
  each: 2,
  before: 4,
  after: 8,
  /** Removed because there were too many. Without it, an expiry is one of age. */
  ttlCount: 16,
  /** One of the records that a deleteAll removed. */
  expanded: 32,
  /** In the view of each operation: of a record that was new in the same transaction. */
  sameTransaction: 64,
} as const;

export const BOTH_VIEWS = ChangeFlag.net | ChangeFlag.each;
