import * as layout from '../../native/layout';
import { Kind } from '../../transactions/operation';

/** How each kind of operation is said on the wire, by Kind. */
export const CODES: readonly number[] = (() => {
  const codes: Record<Kind, number> = {
    [Kind.get]: layout.OP_GET,
    [Kind.getRecord]: layout.OP_GET,
    [Kind.exists]: layout.OP_GET | layout.CODE_DISCARDS_VALUE,
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
  };
  return Object.keys(codes).map((kind) => codes[Number(kind) as Kind]);
})();

export function isIdempotent(kind: Kind): boolean {
  return kind === Kind.get || kind === Kind.getRecord || kind === Kind.exists;
}
