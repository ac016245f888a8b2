import { HEADER_BYTES, Magic } from './protocol';

/** The parts of a packet of the server. `word` is the status of a response or the vbucket of a request. */
export interface PacketParts {
  readonly magic: number;
  readonly opcode: number;
  readonly opaque: number;
  readonly word?: number | undefined;
  readonly datatype?: number | undefined;
  readonly cas?: bigint | undefined;
  /** Needs a magic with alternative framing. */
  readonly framing?: Uint8Array | undefined;
  readonly extras?: Uint8Array | undefined;
  readonly key?: Uint8Array | undefined;
  readonly value?: Uint8Array | undefined;
}

const nothing = Buffer.alloc(0);

/** Any packet that a server sends. */
export function packet(parts: PacketParts): Buffer {
  const { framing = nothing, extras = nothing, key = nothing, value = nothing } = parts;
  const body = framing.length + extras.length + key.length + value.length;
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + body);
  bytes[0] = parts.magic;
  bytes[1] = parts.opcode;
  if (parts.magic === Magic.altRequest || parts.magic === Magic.altResponse) {
    bytes[2] = framing.length;
    bytes[3] = key.length;
  } else {
    bytes.writeUInt16BE(key.length, 2);
  }
  bytes[4] = extras.length;
  bytes[5] = parts.datatype ?? 0;
  bytes.writeUInt16BE(parts.word ?? 0, 6);
  bytes.writeUInt32BE(body, 8);
  bytes.writeUInt32BE(parts.opaque, 12);
  bytes.writeBigUInt64BE(parts.cas ?? 0n, 16);
  let at = HEADER_BYTES;
  for (const part of [framing, extras, key, value]) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Packets for the connection that is being served. */
export class PacketQueue {
  #packets: Buffer[] = [];

  push(bytes: Buffer): void {
    this.#packets.push(bytes);
  }

  /** Takes all packets, joined into one buffer. */
  take(): Buffer[] {
    const packets = this.#packets;
    if (packets.length === 0) return packets;
    this.#packets = [];
    return packets.length === 1 ? packets : [Buffer.concat(packets)];
  }
}
