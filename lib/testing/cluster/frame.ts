import type { Packet } from '../binary/parser';
import type { ReceivedCommand } from '../recording';
import type { AnyRequest } from '../requests';
import { readLeb128 } from './numbers';
import { ClusterOpcode, HEADER_BYTES, Magic } from './protocol';

/** Requests whose key is not a document's. */
const KEYS_OF_NOTHING: ReadonlySet<number> = new Set([
  ClusterOpcode.stat,
  ClusterOpcode.hello,
  ClusterOpcode.saslListMechs,
  ClusterOpcode.saslAuth,
  ClusterOpcode.saslStep,
  ClusterOpcode.dcpOpen,
  ClusterOpcode.dcpControl,
  ClusterOpcode.selectBucket,
]);

/** One piece of the framing extras. */
export interface FrameInfo {
  readonly id: number;
  readonly bytes: Buffer;
}

/** The key of a document. The collection is 0 on connections without collections. */
export interface DocumentKey {
  readonly collection: number;
  readonly bytes: Buffer;
}

/**
 * One packet of a client, as a view of the bytes it arrived in. The parser reuses one instance, so callers must copy what they
 * keep. Order of the body: framing extras, extras, key, value.
 */
export class Frame implements AnyRequest, Packet {
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  magic = 0;
  opcode = 0;
  framingLength = 0;
  keyLength = 0;
  extrasLength = 0;
  datatype = 0;
  vbucket = 0;
  totalBody = 0;
  opaque = 0;
  oversized = false;
  /** Keys on this connection have collection prefixes. */
  hasCollections = false;

  get valueLength(): number {
    return this.totalBody - this.framingLength - this.extrasLength - this.keyLength;
  }

  get isRequest(): boolean {
    return this.magic === Magic.request || this.magic === Magic.altRequest;
  }

  read(bytes: Buffer, at: number): 'magic' | 'lengths' | undefined {
    const magic = bytes[at] ?? 0;
    this.bytes = bytes;
    this.start = at;
    this.magic = magic;
    this.opcode = bytes[at + 1] ?? 0;
    const isAlternative = magic === Magic.altRequest || magic === Magic.altResponse;
    this.framingLength = isAlternative ? (bytes[at + 2] ?? 0) : 0;
    this.keyLength = isAlternative ? (bytes[at + 3] ?? 0) : bytes.readUInt16BE(at + 2);
    this.extrasLength = bytes[at + 4] ?? 0;
    this.datatype = bytes[at + 5] ?? 0;
    this.vbucket = bytes.readUInt16BE(at + 6);
    this.totalBody = bytes.readUInt32BE(at + 8);
    this.opaque = bytes.readUInt32BE(at + 12);
    if (!this.isMagic(magic)) return 'magic';
    return this.valueLength < 0 ? 'lengths' : undefined;
  }

  /** A client answers the NOOPs of change streams, and may answer pushes. */
  isMagic(byte: number): boolean {
    return (
      byte === Magic.request ||
      byte === Magic.altRequest ||
      byte === Magic.response ||
      byte === Magic.serverResponse
    );
  }

  get cas(): bigint {
    return this.bytes.readBigUInt64BE(this.start + 16);
  }

  extras(): Buffer {
    const from = this.start + HEADER_BYTES + this.framingLength;
    return this.bytes.subarray(from, from + this.extrasLength);
  }

  /** The key as it is on the wire. */
  key(): Buffer {
    const from = this.start + HEADER_BYTES + this.framingLength + this.extrasLength;
    return this.bytes.subarray(from, from + this.keyLength);
  }

  value(): Buffer {
    const from = this.start + HEADER_BYTES + this.totalBody - this.valueLength;
    return this.bytes.subarray(from, this.oversized ? from : from + this.valueLength);
  }

  /** Undefined if the collection prefix is invalid or the key is empty. */
  documentKey(): DocumentKey | undefined {
    const bytes = this.key();
    if (!this.hasCollections) return bytes.length === 0 ? undefined : { collection: 0, bytes };
    const prefix = readLeb128(bytes);
    if (prefix === undefined || prefix.length >= bytes.length) return undefined;
    return { collection: prefix.value, bytes: bytes.subarray(prefix.length) };
  }

  /** Undefined if a length is wrong. */
  framing(): FrameInfo[] | undefined {
    const infos: FrameInfo[] = [];
    let at = this.start + HEADER_BYTES;
    const end = at + this.framingLength;
    while (at < end) {
      const first = this.bytes[at++] ?? 0;
      let id = first >> 4;
      let length = first & 0x0f;
      if (id === 15) id += this.bytes[at++] ?? 0;
      if (length === 15) length += this.bytes[at++] ?? 0;
      if (at + length > end) return undefined;
      infos.push({ id, bytes: this.bytes.subarray(at, at + length) });
      at += length;
    }
    return infos;
  }

  keys(): string[] {
    const bytes = KEYS_OF_NOTHING.has(this.opcode) ? this.key() : this.documentKey()?.bytes;
    return [bytes?.toString('utf8') ?? ''];
  }

  received(): Omit<ReceivedCommand, 'connection'> {
    const framing = this.bytes.subarray(
      this.start + HEADER_BYTES,
      this.start + HEADER_BYTES + this.framingLength,
    );
    return {
      opcode: this.opcode,
      key: Buffer.from(this.key()),
      opaque: this.opaque,
      cas: this.cas,
      extras: Buffer.from(this.extras()),
      value: Buffer.from(this.value()),
      vbucket: this.vbucket,
      datatype: this.datatype,
      framing: Buffer.from(framing),
    };
  }
}
