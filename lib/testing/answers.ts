import type { Request } from './binary/parser';
import { HEADER_BYTES, RESPONSE_MAGIC, Status, statusBody } from './protocol';
import type { Item } from './store';

const SLAB_BYTES = 64 * 1024;

/** Values from this size on are sent by reference; below it a copy costs less than one more buffer in the writev. */
const BY_REFERENCE_BYTES = 8 * 1024;

const noBytes = Buffer.alloc(0);

/**
 * Encodes answers one after the other into slabs. `take` hands over what has gathered since the last call, so that
 * all answers to one read leave in one write.
 */
export class AnswerBuffer {
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  /** Of the slab: it writes large numbers several times as fast as a Buffer does. */
  #view = new DataView(this.#slab.buffer);
  #start = 0;
  #end = 0;
  #pieces: Buffer[] = [];

  /** The answers gathered, in order; the slab they lie in is not written again. */
  take(): Buffer[] {
    this.#cut();
    if (this.#pieces.length === 0) return this.#pieces;
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** Success without a body. */
  done(request: Request, cas: bigint): void {
    this.#packet(request, Status.success, 0, 0, 0, cas, 0);
  }

  error(request: Request, status: number, body: Buffer = statusBody(status)): void {
    this.#body(request, status, body);
  }

  /** Success with `value` as the body, as VERSION answers. */
  text(request: Request, value: Buffer): void {
    this.#body(request, Status.success, value);
  }

  /** GETK and GATK echo the key of a miss as the body, instead of a text. */
  missWithKey(request: Request): void {
    const length = request.keyLength;
    const at = this.#packet(request, Status.keyNotFound, 0, length, length, 0n, length);
    request.bytes.copy(this.#slab, at, request.keyStart, request.keyStart + length);
  }

  /** The answer to the GET family and TOUCH: flags, then the key and the value where the command returns them. */
  item(request: Request, item: Item, withKey: boolean, withValue: boolean): void {
    const keyLength = withKey ? request.keyLength : 0;
    const valueLength = withValue ? item.value.length : 0;
    const byReference = valueLength >= BY_REFERENCE_BYTES;
    const copied = byReference ? 0 : valueLength;
    const body = 4 + keyLength + valueLength;
    let at = this.#packet(request, Status.success, 4, keyLength, body, item.cas, 4 + keyLength + copied);
    at = this.#slab.writeUInt32BE(item.flags, at);
    if (withKey) at += request.bytes.copy(this.#slab, at, request.keyStart, request.keyStart + keyLength);
    if (copied > 0) this.#slab.set(item.value, at);
    if (byReference) this.#refer(item.value);
  }

  counter(request: Request, value: bigint, cas: bigint): void {
    const at = this.#packet(request, Status.success, 0, 0, 8, cas, 8);
    this.#slab.writeBigUInt64BE(value, at);
  }

  /** One line of a STAT answer; without a name, the packet that ends it. */
  stat(request: Request, name = '', value = ''): void {
    const key = Buffer.from(name, 'latin1');
    const text = Buffer.from(value, 'latin1');
    const length = key.length + text.length;
    const at = this.#packet(request, Status.success, 0, key.length, length, 0n, length);
    this.#slab.set(key, at);
    this.#slab.set(text, at + key.length);
  }

  /** A line of a text protocol, without its end. */
  line(text: string): void {
    const at = this.#reserve(text.length + 2);
    this.#slab.write(text, at, 'latin1');
    this.#slab.write('\r\n', at + text.length, 'latin1');
  }

  /** A data block of a text protocol. */
  block(value: Buffer): void {
    if (value.length >= BY_REFERENCE_BYTES) {
      this.#refer(value);
    } else {
      const at = this.#reserve(value.length);
      this.#slab.set(value, at);
    }
    this.line('');
  }

  #refer(value: Buffer): void {
    this.#cut();
    this.#pieces.push(value);
  }

  #body(request: Request, status: number, body: Buffer): void {
    const at = this.#packet(request, status, 0, 0, body.length, 0n, body.length);
    this.#slab.set(body, at);
  }

  /** Writes a header and reserves `inline` bytes behind it; returns where they begin. */
  #packet(
    request: Request,
    status: number,
    extrasLength: number,
    keyLength: number,
    totalBody: number,
    cas: bigint,
    inline: number,
  ): number {
    const at = this.#reserve(HEADER_BYTES + inline);
    const slab = this.#slab;
    slab[at] = RESPONSE_MAGIC;
    slab[at + 1] = request.opcode;
    slab[at + 2] = keyLength >>> 8;
    slab[at + 3] = keyLength;
    slab[at + 4] = extrasLength;
    slab[at + 5] = 0;
    slab[at + 6] = status >>> 8;
    slab[at + 7] = status;
    slab.writeUInt32BE(totalBody, at + 8);
    slab.writeUInt32BE(request.opaque, at + 12);
    this.#view.setBigUint64(at + 16, cas);
    return at + HEADER_BYTES;
  }

  #reserve(bytes: number): number {
    if (this.#end + bytes > this.#slab.length) {
      this.#cut();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
      this.#view = new DataView(this.#slab.buffer);
      this.#start = 0;
      this.#end = 0;
    }
    const at = this.#end;
    this.#end += bytes;
    return at;
  }

  #cut(): void {
    if (this.#end > this.#start) this.#pieces.push(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }
}

/** The pieces of one answer as one buffer. */
export function joined(pieces: Buffer[]): Buffer {
  const [first, second] = pieces;
  if (first === undefined) return noBytes;
  return second === undefined ? first : Buffer.concat(pieces);
}
