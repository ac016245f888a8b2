import { u64 } from '../numbers';
import type { Reply } from '../session';
import type { VBucket } from '../vbucket';

/** A failover log as pairs of uuid and seqno, newest first. */
export function failoverLogReply({ failoverLog }: VBucket): Reply {
  return { value: u64(...failoverLog.flatMap(({ uuid, seqno }) => [uuid, seqno])) };
}
