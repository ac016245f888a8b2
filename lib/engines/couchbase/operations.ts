import * as layout from '../../native/layout';
import { Kind } from '../../transactions/operation';
import { COMMON_CODES, COMMON_IDEMPOTENT, listCodes } from '../network/operations';

/** No request has it: calls of these operations throw before. */
const NOTHING = 0;

const ALL: Record<Kind, number> = {
  ...COMMON_CODES,
  [Kind.exists]: layout.OP_GET_META,
  [Kind.getDetails]: NOTHING,
  [Kind.invalidate]: NOTHING,
  [Kind.getOrLoad]: NOTHING,
  [Kind.lookupIn]: layout.OP_LOOKUP_IN | layout.CODE_WANTS_CAS,
  [Kind.mutateIn]: layout.OP_MUTATE_IN,
  [Kind.getAndLock]: layout.OP_GET_AND_LOCK | layout.CODE_WANTS_CAS,
  [Kind.unlock]: layout.OP_UNLOCK | layout.CODE_DISCARDS_VALUE,
  [Kind.getReplica]: layout.OP_GET_REPLICA | layout.CODE_WANTS_CAS,
};

export const CODES = listCodes(ALL);

/** A lock that was taken twice is locked for the one who does not know, so that getAndLock is not among them. */
const IDEMPOTENT: ReadonlySet<Kind> = new Set([...COMMON_IDEMPOTENT, Kind.lookupIn, Kind.getReplica]);

export const isIdempotent = (kind: Kind): boolean => IDEMPOTENT.has(kind);
