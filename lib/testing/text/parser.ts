import { Gathered } from '../gathered';
import type { Session, Verdict } from '../requests';
import { readLogin } from './login';
import { type Plan, TextRequest } from './plan';
import { readCommand } from './read-command';

/** A longer command line ends the connection, as in memcached. */
const MAX_LINE_BYTES = 2048;
/** One that asks for many keys may be this long; memcached has no limit here. */
const MAX_MANY_KEYS_BYTES = 1024 * 1024;
const ASKS_FOR_MANY_KEYS = /^ {0,100}gets? /;

const LF = 0x0a;
const CRLF_BYTES = 2;

export interface TextReceiver {
  request(request: TextRequest): Verdict;
  /** The stream is no protocol; `answer` is what memcached says then, if it does. Called once; nothing after it is read. */
  broken(answer?: string): void;
}

/**
 * Cuts a byte stream into command lines and the data blocks behind them. Which lines have a block is for the commands to
 * say; what memcached does not read as a block is the next line.
 */
export class TextParser {
  readonly #maxItemBytes: number;
  readonly #session: Session;
  readonly #receiver: TextReceiver;
  /** The beginning of a line whose end has not arrived. */
  #line: Gathered | undefined;
  #request: TextRequest | undefined;
  /** The block of `#request`, where it is spread over chunks. */
  #block: Gathered | undefined;
  #skip = 0;
  #stopped = false;

  constructor(maxItemBytes: number, session: Session, receiver: TextReceiver) {
    this.#maxItemBytes = maxItemBytes;
    this.#session = session;
    this.#receiver = receiver;
  }

  feed(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length && !this.#stopped) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - position);
        this.#skip -= skipped;
        position += skipped;
      } else if (this.#request !== undefined) {
        position = this.#readBlock(this.#request, chunk, position);
      } else {
        position = this.#readLine(chunk, position);
      }
    }
  }

  #readLine(chunk: Buffer, from: number): number {
    const end = chunk.indexOf(LF, from);
    if (this.#line === undefined && end >= 0) {
      this.#take(chunk.subarray(from, end));
      return end + 1;
    }
    const line = this.#line ?? new Gathered(MAX_MANY_KEYS_BYTES + 1);
    this.#line = line;
    line.take(chunk.subarray(0, end < 0 ? chunk.length : end), from);
    const { bytes } = line;
    if (end >= 0) {
      this.#line = undefined;
      this.#take(bytes);
    } else {
      this.#isTooLong(bytes);
    }
    return end < 0 ? chunk.length : end + 1;
  }

  #isTooLong(line: Buffer): boolean {
    if (line.length <= MAX_LINE_BYTES) return false;
    const many = ASKS_FOR_MANY_KEYS.test(line.toString('latin1', 0, MAX_LINE_BYTES));
    if (many && line.length <= MAX_MANY_KEYS_BYTES) return false;
    this.#stopped = true;
    this.#receiver.broken(many ? 'SERVER_ERROR out of memory reading request' : undefined);
    return true;
  }

  /** A line without its end. To memcached it also ends at a zero byte. */
  #take(bytes: Buffer): void {
    if (this.#isTooLong(bytes)) return;
    const text = bytes.toString('latin1');
    const [line = ''] = (text.length > 1 && text.endsWith('\r') ? text.slice(0, -1) : text).split('\0', 1);
    const plan = this.#session.authenticated
      ? readCommand(line, this.#maxItemBytes, this.#session.speaksMeta)
      : readLogin(line);
    this.#begin(new TextRequest(line, plan), plan);
  }

  #begin(request: TextRequest, { block, skip = 0 }: Plan): void {
    if (block !== undefined) {
      this.#request = request;
      return;
    }
    this.#skip = skip;
    this.#deliver(request);
  }

  #readBlock(request: TextRequest, chunk: Buffer, from: number): number {
    const needed = (request.plan.block ?? 0) + CRLF_BYTES;
    if (this.#block === undefined && chunk.length - from >= needed) {
      this.#complete(request, chunk.subarray(from, from + needed));
      return from + needed;
    }
    const block = this.#block ?? new Gathered(needed);
    this.#block = block;
    const end = block.take(chunk, from);
    if (block.isComplete) this.#complete(request, block.bytes);
    return end;
  }

  #complete(request: TextRequest, bytes: Buffer): void {
    this.#request = undefined;
    this.#block = undefined;
    request.block = bytes.subarray(0, -CRLF_BYTES);
    request.isWhole = bytes.toString('latin1', bytes.length - CRLF_BYTES) === '\r\n';
    this.#deliver(request);
  }

  #deliver(request: TextRequest): void {
    if (this.#receiver.request(request) === 'stop') this.#stopped = true;
  }
}
