import * as layout from '../../native/layout';
import { Kind } from '../../transactions/operation';

/** No request says it: calls of it throw before. */
const NOTHING = 0;

/** How each kind of operation is said on the wire, by Kind. */
export const CODES: readonly number[] = (() => {
  const codes: Record<Kind, number> = {
    [Kind.get]: layout.OP_GET,
    [Kind.getRecord]: layout.OP_GET | layout.CODE_WANTS_CAS,
    [Kind.exists]: layout.OP_GET_META,
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
    [Kind.getDetails]: NOTHING,
    [Kind.invalidate]: NOTHING,
    [Kind.getOrLoad]: NOTHING,
    [Kind.serverStats]: layout.OP_STAT,
    [Kind.flushAll]: layout.OP_FLUSH,
    [Kind.serverVersions]: layout.OP_VERSION,
    [Kind.lookupIn]: layout.OP_LOOKUP_IN | layout.CODE_WANTS_CAS,
    [Kind.mutateIn]: layout.OP_MUTATE_IN,
    [Kind.getAndLock]: layout.OP_GET_AND_LOCK | layout.CODE_WANTS_CAS,
    [Kind.unlock]: layout.OP_UNLOCK | layout.CODE_DISCARDS_VALUE,
    [Kind.getReplica]: layout.OP_GET_REPLICA | layout.CODE_WANTS_CAS,
  };
  return Array.from({ length: Object.keys(codes).length }, (_, kind) => codes[kind as Kind]);
})();

/** A lock that was taken twice is locked for the one who does not know, so that getAndLock is not among them. */
const IDEMPOTENT: ReadonlySet<Kind> = new Set([
  Kind.get,
  Kind.getRecord,
  Kind.exists,
  Kind.lookupIn,
  Kind.getReplica,
  Kind.serverStats,
  Kind.serverVersions,
]);

export const isIdempotent = (kind: Kind): boolean => IDEMPOTENT.has(kind);
