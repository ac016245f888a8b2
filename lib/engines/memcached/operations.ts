import * as layout from '../../native/layout';
import { Kind } from '../../transactions/operation';

/** How each kind of operation is said on the wire, by Kind. */
export const CODES: readonly number[] = (() => {
  const codes: Record<Kind, number> = {
    [Kind.get]: layout.OPCODE_GET,
    [Kind.getRecord]: layout.OPCODE_GET,
    [Kind.exists]: layout.OPCODE_GET | layout.CODE_DISCARDS_VALUE,
    [Kind.insert]: layout.OPCODE_ADD,
    [Kind.upsert]: layout.OPCODE_SET,
    [Kind.replace]: layout.OPCODE_REPLACE,
    [Kind.remove]: layout.OPCODE_DELETE | layout.CODE_DISCARDS_VALUE,
    [Kind.touch]: layout.OPCODE_TOUCH | layout.CODE_DISCARDS_VALUE,
    [Kind.getAndTouch]: layout.OPCODE_GET_AND_TOUCH,
    [Kind.increment]: layout.OPCODE_INCREMENT,
    [Kind.decrement]: layout.OPCODE_DECREMENT,
    [Kind.append]: layout.OPCODE_APPEND,
    [Kind.prepend]: layout.OPCODE_PREPEND,
  };
  return Object.keys(codes).map((kind) => codes[Number(kind) as Kind]);
})();

export function isIdempotent(kind: Kind): boolean {
  return kind === Kind.get || kind === Kind.getRecord || kind === Kind.exists;
}
