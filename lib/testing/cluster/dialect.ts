import type { Dialect } from '../dialect';
import { withHeader } from '../header-lies';
import { execute } from './commands/execute';
import type { Frame } from './frame';
import { type PacketQueue, packet } from './packet';
import { ClusterOpcode, HEADER_BYTES, Magic } from './protocol';
import type { Session } from './session';

const UNASKED_OPAQUE = 0xdeadbeef;

/** Couchbase's key-value protocol on one connection. */
export function clusterDialect(session: Session, answers: PacketQueue): Dialect<Frame> {
  return {
    execute: (request) => execute(request, session, answers),
    knows: () => true,
    withOpaque: (request, answer, opaque = ~request.opaque >>> 0) => withHeader(answer, { opaque }),
    withHeader,
    refusal: (request, status, body) => {
      const value = body === undefined ? undefined : Buffer.from(body);
      return session.answer(request, { status, value });
    },
    announcement: (request, totalBody) => {
      const bytes = session.answer(request, { extras: Buffer.alloc(Math.min(4, totalBody)) });
      bytes.writeUInt32BE(totalBody, 8);
      return bytes.subarray(0, HEADER_BYTES);
    },
    unasked: () => packet({ magic: Magic.response, opcode: ClusterOpcode.noop, opaque: UNASKED_OPAQUE }),
  };
}
