import type { HeaderLies, Moment, RequestAction } from './faults';
import type { Step } from './outbox';
import type { Request } from './parser';
import { HEADER_BYTES, Opcode, RESPONSE_MAGIC, Status, statusBody } from './protocol';

const UNASKED_OPAQUE = 0xdeadbeef;
const GARBAGE_BYTES = 64;

/** Whether a request that `action` strikes is executed all the same. */
export function executes(action: RequestAction): boolean {
  switch (action.kind) {
    case 'hang':
    case 'garbage':
    case 'announce':
      return false;
    case 'status':
      return action.execute ?? false;
    case 'reset':
    case 'close':
      return (action.when ?? 'before') !== 'before';
    default:
      return true;
  }
}

/**
 * What `action` makes of `answer`: the bytes the command answered with, empty for a quiet success and for a request
 * that was not executed.
 */
export function faultSteps(action: RequestAction, request: Request, answer: Buffer): Step[] {
  switch (action.kind) {
    case 'delay':
      if (action.reorder) return [{ kind: 'later', bytes: nonEmpty([answer]), ms: action.ms }];
      return [{ kind: 'wait', ms: action.ms }, bytes(answer)];
    case 'hang':
      return action.later === 'answer' ? [] : [{ kind: 'silence' }];
    case 'drop':
      return [];
    case 'split':
      return split(answer, action.sizes ?? [1], action.ms ?? 0);
    case 'truncate':
      return [bytes(answer.subarray(0, action.bytes)), { kind: action.end ?? 'silence' }];
    case 'reset':
    case 'close':
      return [bytes(beginning(answer, action.when ?? 'before')), { kind: action.kind }];
    case 'wrongOpaque':
      return [bytes(withHeader(answer, { opaque: action.opaque ?? ~request.opaque >>> 0 }))];
    case 'status':
      return [bytes(statusAnswer(request, action.status, action.body))];
    case 'garbage':
      return [bytes(garbage(action))];
    case 'header':
      return [bytes(withHeader(answer, action.fields))];
    case 'announce':
      return [bytes(announcement(request, action.bytes)), { kind: 'silence' }];
    case 'unsolicited': {
      const packets = action.packets ?? [header(Opcode.noop, UNASKED_OPAQUE, Status.success, 0)];
      const extra = bytes(...packets);
      return action.position === 'after' ? [bytes(answer), extra] : [extra, bytes(answer)];
    }
  }
}

/** The bytes given, or pseudo-random ones: the same seed makes the same bytes on every machine. */
export function garbage(source: { bytes?: Uint8Array; seed?: number; length?: number }): Buffer {
  if (source.bytes !== undefined) return Buffer.from(source.bytes);
  const random = Buffer.alloc(source.length ?? GARBAGE_BYTES);
  let state = (source.seed ?? 1) >>> 0;
  for (let index = 0; index < random.length; index += 1) {
    // Mulberry32.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    random[index] = mixed >>> 24;
  }
  return random;
}

function bytes(...pieces: Uint8Array[]): Step {
  return { kind: 'bytes', bytes: nonEmpty(pieces) };
}

function nonEmpty(pieces: Uint8Array[]): Buffer[] {
  return pieces.filter((piece) => piece.length > 0).map((piece) => Buffer.from(piece));
}

function beginning(answer: Buffer, when: Moment): Buffer {
  return typeof when === 'string' ? Buffer.alloc(0) : answer.subarray(0, when.afterBytes);
}

function split(answer: Buffer, sizes: readonly number[], ms: number): Step[] {
  const steps: Step[] = [];
  let position = 0;
  for (let chunk = 0; position < answer.length; chunk += 1) {
    const size = Math.max(1, sizes[Math.min(chunk, sizes.length - 1)] ?? 1);
    if (position > 0) steps.push({ kind: 'wait', ms });
    steps.push(bytes(answer.subarray(position, position + size)));
    position += size;
  }
  return steps;
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

function withHeader(answer: Buffer, lies: HeaderLies): Buffer {
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
