import * as layout from '../../native/layout';
import { type DocumentKind, Kind } from '../../transactions/operation';

/** The wire's code for each kind of operation, by Kind. */
export const CODES: readonly number[] = (() => {
  const codes: Record<Exclude<Kind, DocumentKind>, number> = {
    [Kind.get]: layout.OP_GET,
    [Kind.getRecord]: layout.OP_GET | layout.CODE_WANTS_CAS,
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
    [Kind.getDetails]: layout.OP_GET_DETAILS | layout.CODE_WANTS_CAS,
    [Kind.invalidate]: layout.OP_INVALIDATE | layout.CODE_DISCARDS_VALUE,
    [Kind.getOrLoad]: layout.OP_GET_OR_CLAIM | layout.CODE_WANTS_CAS,
    [Kind.serverStats]: layout.OP_STAT,
    [Kind.flushAll]: layout.OP_FLUSH,
    [Kind.serverVersions]: layout.OP_VERSION,
  };
  return Object.keys(codes).map((kind) => codes[Number(kind) as keyof typeof codes]);
})();

/** A claim lost with its connection ends by itself; until then others wait as they would for a loader. */
const IDEMPOTENT: ReadonlySet<Kind> = new Set([
  Kind.get,
  Kind.getRecord,
  Kind.exists,
  Kind.getDetails,
  Kind.getOrLoad,
  Kind.serverStats,
  Kind.serverVersions,
]);

export function isIdempotent(kind: Kind): boolean {
  return IDEMPOTENT.has(kind);
}
