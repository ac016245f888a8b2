/** The kinds of journalled changes; the numbers are part of the journal format. */
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

/** Flags of a journalled change, among them the two views of a transaction that show it. */
export const ChangeFlag = {
  /** In the net view, which has one change for each record, from before the transaction to after it. */
  net: 1,
  /** In the view that has every operation. */
  each: 2,
  before: 4,
  after: 8,
  /** Expired because the class had too many records. Without this flag, it expired by age. */
  ttlCount: 16,
  /** One of the records that a deleteAll removed. */
  expanded: 32,
  /** In the view of each operation: the record was inserted in the same transaction. */
  sameTransaction: 64,
} as const;

export const BOTH_VIEWS = ChangeFlag.net | ChangeFlag.each;
