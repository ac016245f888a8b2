import type { Dialect } from './dialect';
import type { Moment, RequestAction } from './faults';
import type { Step } from './outbox';
import type { AnyRequest } from './requests';

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
export function faultSteps<Request extends AnyRequest>(
  action: RequestAction,
  dialect: Dialect<Request>,
  request: Request,
  answer: Buffer,
): Step[] {
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
      return [bytes(dialect.withOpaque(request, answer, action.opaque))];
    case 'status':
      return [bytes(dialect.refusal(request, action.status, action.body))];
    case 'garbage':
      return [bytes(garbage(action))];
    case 'header':
      return [bytes(dialect.withHeader(answer, action.fields))];
    case 'announce':
      return [bytes(dialect.announcement(request, action.bytes)), { kind: 'silence' }];
    case 'unsolicited': {
      const packets = action.packets ?? [dialect.unasked(request)];
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
