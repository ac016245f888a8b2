import * as layout from '../../native/layout';
import { Kind } from '../../transactions/operation';

/** The wire's codes for the operations that all engines with servers encode alike. */
export const COMMON_CODES = {
  [Kind.get]: layout.OP_GET,
  [Kind.getRecord]: layout.OP_GET | layout.CODE_WANTS_CAS,
  [Kind.insert]: layout.OP_ADD,
  [Kind.upsert]: layout.OP_SET,
  [Kind.replace]: layout.OP_REPLACE,
  [Kind.remove]: layout.OP_DELETE | layout.CODE_DISCARDS_VALUE,
  [Kind.touch]: layout.OP_TOUCH | layout.CODE_DISCARDS_VALUE,
  [Kind.getAndTouch]: layout.OP_GET_AND_TOUCH,
  [Kind.increment]: layout.OP_INCREMENT,
  [Kind.decrement]: layout.OP_DECREMENT,
  [Kind.append]: layout.OP_APPEND,
  [Kind.prepend]: layout.OP_PREPEND,
  [Kind.serverStats]: layout.OP_STAT,
  [Kind.flushAll]: layout.OP_FLUSH,
  [Kind.serverVersions]: layout.OP_VERSION,
} as const;

/** Those of them that have the same effect when they are executed twice. */
export const COMMON_IDEMPOTENT: readonly Kind[] = [
  Kind.get,
  Kind.getRecord,
  Kind.exists,
  Kind.serverStats,
  Kind.serverVersions,
];

/** The codes by Kind. */
export const listCodes = (codes: Readonly<Record<number, number>>): readonly number[] =>
  Object.keys(codes).map((kind) => codes[Number(kind)] as number);
