import type { Request } from './parser';

/** Bytes as they arrived in one read. */
export interface ReceivedChunk {
  /** Index of the connection in order of acceptance, from 0. */
  readonly connection: number;
  readonly bytes: Buffer;
}

/** One request. The value of a request larger than the server accepts is not kept. */
export interface ReceivedCommand {
  readonly connection: number;
  readonly opcode: number;
  readonly key: Buffer;
  readonly opaque: number;
  readonly cas: bigint;
  readonly extras: Buffer;
  readonly value: Buffer;
}

/** Everything received, in order of arrival over all connections. */
export class Recording {
  readonly chunks: ReceivedChunk[] = [];
  readonly commands: ReceivedCommand[] = [];

  chunk(connection: number, bytes: Buffer): void {
    this.chunks.push({ connection, bytes });
  }

  command(connection: number, request: Request): void {
    this.commands.push({
      connection,
      opcode: request.opcode,
      key: Buffer.from(request.bytes.subarray(request.keyStart, request.valueStart)),
      opaque: request.opaque,
      cas: (BigInt(request.casHigh) << 32n) | BigInt(request.casLow),
      extras: Buffer.from(request.extras()),
      value: Buffer.from(request.value()),
    });
  }
}
