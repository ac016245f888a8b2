import type { CommandContext } from '../commands';
import type { Dialect } from '../dialect';
import { withHeader } from '../header-lies';
import { HEADER_BYTES, Opcode, RESPONSE_MAGIC, Status, statusBody } from '../protocol';
import type { Session } from '../requests';
import { execute } from './execute';
import type { Request } from './parser';

const UNASKED_OPAQUE = 0xdeadbeef;

/** The binary protocol of memcached. */
export function binaryDialect(context: CommandContext, session: Session): Dialect<Request> {
  return {
    execute: (request) => execute(request, context, session),
    knows: () => true,
    withOpaque: (request, answer, opaque = ~request.opaque >>> 0) => withHeader(answer, { opaque }),
    withHeader,
    refusal: statusAnswer,
    announcement,
    unasked: () => header(Opcode.noop, UNASKED_OPAQUE, Status.success, 0),
  };
}

function statusAnswer(request: Request, status: number, given: string | Uint8Array | undefined): Buffer {
  const body = given === undefined ? statusBody(status) : Buffer.from(given);
  return Buffer.concat([header(request.opcode, request.opaque, status, body.length), body]);
}

// The answers to these have flags before the value.
const READS: ReadonlySet<number> = new Set([
  Opcode.get,
  Opcode.getq,
  Opcode.getk,
  Opcode.getkq,
  Opcode.gat,
  Opcode.gatq,
]);

function announcement(request: Request, totalBody: number): Buffer {
  const packet = header(request.opcode, request.opaque, Status.success, totalBody);
  if (READS.has(request.opcode)) packet.writeUInt8(Math.min(4, totalBody), 4);
  return packet;
}

function header(opcode: number, opaque: number, status: number, totalBody: number): Buffer {
  const packet = Buffer.alloc(HEADER_BYTES);
  packet[0] = RESPONSE_MAGIC;
  packet[1] = opcode;
  packet.writeUInt16BE(status, 6);
  packet.writeUInt32BE(totalBody, 8);
  packet.writeUInt32BE(opaque, 12);
  return packet;
}
