import type { HeaderLies } from './faults';
import { HEADER_BYTES } from './protocol';

/** A packet whose header says something else. */
export function withHeader(answer: Buffer, lies: HeaderLies): Buffer {
  const packet = Buffer.from(answer);
  if (packet.length < HEADER_BYTES) return packet;
  if (lies.magic !== undefined) packet.writeUInt8(lies.magic, 0);
  if (lies.opcode !== undefined) packet.writeUInt8(lies.opcode, 1);
  if (lies.keyLength !== undefined) packet.writeUInt16BE(lies.keyLength, 2);
  if (lies.extrasLength !== undefined) packet.writeUInt8(lies.extrasLength, 4);
  if (lies.datatype !== undefined) packet.writeUInt8(lies.datatype, 5);
  if (lies.status !== undefined) packet.writeUInt16BE(lies.status, 6);
  if (lies.totalBody !== undefined) packet.writeUInt32BE(lies.totalBody, 8);
  if (lies.opaque !== undefined) packet.writeUInt32BE(lies.opaque, 12);
  if (lies.cas !== undefined) packet.writeBigUInt64BE(lies.cas, 16);
  return packet;
}
