import * as layout from '../../native/layout';
import { type DocumentKind, Kind } from '../../transactions/operation';
import { COMMON_CODES, COMMON_IDEMPOTENT, listCodes } from '../network/operations';

const ALL: Record<Exclude<Kind, DocumentKind>, number> = {
  ...COMMON_CODES,
  [Kind.exists]: layout.OP_GET | layout.CODE_DISCARDS_VALUE,
  [Kind.getDetails]: layout.OP_GET_DETAILS | layout.CODE_WANTS_CAS,
  [Kind.invalidate]: layout.OP_INVALIDATE | layout.CODE_DISCARDS_VALUE,
  [Kind.getOrLoad]: layout.OP_GET_OR_CLAIM | layout.CODE_WANTS_CAS,
};

export const CODES = listCodes(ALL);

/** A claim lost with its connection ends by itself; until then others wait as they would for a loader. */
const IDEMPOTENT: ReadonlySet<Kind> = new Set([...COMMON_IDEMPOTENT, Kind.getDetails, Kind.getOrLoad]);

export function isIdempotent(kind: Kind): boolean {
  return IDEMPOTENT.has(kind);
}
