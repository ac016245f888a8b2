/** The bytes of one read. */
export interface ReceivedChunk {
  /** The index of the connection in order of acceptance, from 0. */
  readonly connection: number;
  readonly bytes: Buffer;
}

/**
 * One request. Values larger than the server accepts are not kept. Commands of the text and meta protocols have the
 * opcode of their effect (255 for an unknown command) and the first of their keys.
 */
export interface ReceivedCommand {
  readonly connection: number;
  readonly opcode: number;
  readonly key: Buffer;
  readonly opaque: number;
  readonly cas: bigint;
  readonly extras: Buffer;
  readonly value: Buffer;
  /** The command line of a text or meta command without the line end; absent in the binary protocol. */
  readonly line?: string;
  /** Of a request to a Couchbase cluster; its key is as it is on the wire. */
  readonly vbucket?: number;
  readonly datatype?: number;
  readonly framing?: Buffer;
}

/** Everything received, in order of arrival across all connections. */
export class Recording {
  readonly chunks: ReceivedChunk[] = [];
  readonly commands: ReceivedCommand[] = [];

  chunk(connection: number, bytes: Buffer): void {
    this.chunks.push({ connection, bytes });
  }

  command(connection: number, received: Omit<ReceivedCommand, 'connection'>): void {
    this.commands.push({ connection, ...received });
  }
}
