import { Gathered } from '../gathered';
import { HEADER_BYTES, REQUEST_MAGIC } from '../protocol';
import type { ReceivedCommand } from '../recording';
import type { AnyRequest, Verdict } from '../requests';

/** A packet of 24 bytes of header and a body, as a view of the bytes it arrived in. */
export interface Packet {
  bytes: Buffer;
  start: number;
  /** The value is not in `bytes`, because it exceeds the parser's limit. */
  oversized: boolean;
  readonly totalBody: number;
  /** What the header announces. */
  readonly valueLength: number;
  /** Whether a packet may begin with this byte. */
  isMagic(byte: number): boolean;
  /** Becomes the packet whose header is at `at`; returns what shows that there is none. */
  read(bytes: Buffer, at: number): 'magic' | 'lengths' | undefined;
}

/**
 * One request, as a view of the bytes it arrived in. The parser reuses a single instance: whoever keeps something of
 * it beyond the call copies it.
 *
 * Body order is extras, key, value. `valueLength` is what the header announced; `oversized` says that the value is
 * not in `bytes` because it exceeds the parser's limit and is being skipped.
 */
export class Request implements AnyRequest, Packet {
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  opcode = 0;
  extrasLength = 0;
  keyLength = 0;
  totalBody = 0;
  opaque = 0;
  oversized = false;

  isMagic(byte: number): boolean {
    return byte === REQUEST_MAGIC;
  }

  read(bytes: Buffer, at: number): 'magic' | 'lengths' | undefined {
    this.bytes = bytes;
    this.start = at;
    this.opcode = bytes[at + 1] ?? 0;
    this.keyLength = bytes.readUInt16BE(at + 2);
    this.extrasLength = bytes[at + 4] ?? 0;
    this.totalBody = bytes.readUInt32BE(at + 8);
    this.opaque = bytes.readUInt32BE(at + 12);
    if (bytes[at] !== REQUEST_MAGIC) return 'magic';
    return this.valueLength < 0 ? 'lengths' : undefined;
  }

  get extrasStart(): number {
    return this.start + HEADER_BYTES;
  }
  get keyStart(): number {
    return this.start + HEADER_BYTES + this.extrasLength;
  }
  get valueStart(): number {
    return this.keyStart + this.keyLength;
  }
  get valueLength(): number {
    return this.totalBody - this.extrasLength - this.keyLength;
  }

  get cas(): bigint {
    const high = this.bytes.readUInt32BE(this.start + 16);
    const low = this.bytes.readUInt32BE(this.start + 20);
    return (high | low) === 0 ? 0n : (BigInt(high) << 32n) | BigInt(low);
  }

  /** The key as a string of bytes: latin1, so that every byte sequence maps to a string of its own. */
  key(): string {
    return this.bytes.toString('latin1', this.keyStart, this.valueStart);
  }
  extras(): Buffer {
    return this.bytes.subarray(this.extrasStart, this.keyStart);
  }
  value(): Buffer {
    const start = this.valueStart;
    return this.bytes.subarray(start, this.oversized ? start : start + this.valueLength);
  }
  extrasU32(offset: number): number {
    return this.bytes.readUInt32BE(this.extrasStart + offset);
  }
  extrasU64(offset: number): bigint {
    return this.bytes.readBigUInt64BE(this.extrasStart + offset);
  }

  keys(): string[] {
    return [this.bytes.toString('utf8', this.keyStart, this.valueStart)];
  }
  received(): Omit<ReceivedCommand, 'connection'> {
    return {
      opcode: this.opcode,
      key: Buffer.from(this.bytes.subarray(this.keyStart, this.valueStart)),
      opaque: this.opaque,
      cas: this.cas,
      extras: Buffer.from(this.extras()),
      value: Buffer.from(this.value()),
    };
  }
}

export interface RequestReceiver<Kind extends Packet> {
  request(request: Kind): Verdict;
  /**
   * The stream is no protocol: `request` is the header that shows it, or what there is of it. Called once; nothing after
   * it is read.
   */
  broken(reason: 'magic' | 'lengths', request: Kind): void;
}

/**
 * Cuts a byte stream into requests. Requests that lie whole in a chunk are handed over without copying; one that is
 * spread over chunks is gathered.
 *
 * A bad magic, which the first byte shows, or lengths that contradict each other, end the stream.
 */
export class RequestParser<Kind extends Packet> {
  readonly #request: Kind;
  readonly #maxBody: number;
  readonly #receiver: RequestReceiver<Kind>;
  #partial: Gathered | undefined;
  #skip = 0;
  #stopped = false;

  /** Every request is handed over as `request`. Values of those whose body exceeds `maxBody` bytes are skipped instead of gathered. */
  constructor(request: Kind, maxBody: number, receiver: RequestReceiver<Kind>) {
    this.#request = request;
    this.#maxBody = maxBody;
    this.#receiver = receiver;
  }

  feed(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length && !this.#stopped) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - position);
        this.#skip -= skipped;
        position += skipped;
      } else if (this.#partial !== undefined) {
        position = this.#fill(this.#partial, chunk, position);
      } else {
        position = this.#whole(chunk, position);
      }
    }
  }

  /** Hands over the requests that lie whole in `chunk`, and starts gathering at the first that does not. */
  #whole(chunk: Buffer, from: number): number {
    let position = from;
    while (chunk.length - position >= HEADER_BYTES) {
      const needed = this.#readHeader(chunk, position);
      if (needed === 0) return chunk.length;
      if (chunk.length - position < needed) {
        this.#partial = new Gathered(needed);
        return position;
      }
      position += needed;
      if (!this.#deliver()) return position;
      if (this.#skip > 0) return position;
    }
    if (position === chunk.length) return position;
    if (!this.#request.isMagic(chunk[position] ?? 0)) return this.#break('magic', chunk, position);
    this.#partial = new Gathered(HEADER_BYTES);
    return position;
  }

  #fill(partial: Gathered, chunk: Buffer, from: number): number {
    const end = partial.take(chunk, from);
    if (!partial.isComplete) return end;
    const needed = this.#readHeader(partial.bytes, 0);
    if (needed === 0) return chunk.length;
    partial.extendTo(needed);
    if (!partial.isComplete) return end;
    this.#partial = undefined;
    this.#deliver();
    return end;
  }

  /** Reads the header at `at`; returns the bytes needed to handle the request, 0 when the stream is broken. */
  #readHeader(bytes: Buffer, at: number): number {
    const request = this.#request;
    const broken = request.read(bytes, at);
    if (broken !== undefined) {
      this.#break(broken, bytes, at);
      return 0;
    }
    request.oversized = request.totalBody > this.#maxBody;
    return HEADER_BYTES + request.totalBody - (request.oversized ? request.valueLength : 0);
  }

  /** Nothing of the chunk is of interest any more. */
  #break(reason: 'magic' | 'lengths', bytes: Buffer, at: number): number {
    this.#stopped = true;
    this.#request.bytes = bytes;
    this.#request.start = at;
    this.#receiver.broken(reason, this.#request);
    return bytes.length;
  }

  #deliver(): boolean {
    if (this.#request.oversized) this.#skip = this.#request.valueLength;
    if (this.#receiver.request(this.#request) === 'stop') this.#stopped = true;
    return !this.#stopped;
  }
}
