import { CouchbaseStatus } from '../../../cluster/couchbase/statuses';
import { type ErrorContext, type EvenkeelError, ServerError } from '../../../errors';
import { isOurs } from '../../../stacks';
import type { LookupRequest, MutationRequest } from '../../../transactions/sub-document/request';
import type { PathOutcome } from '../../../transactions/sub-document/results';
import type { LookupOp } from '../../../transactions/sub-document/specs';
import { parseJson } from '../../../transactions/transcoder';
import { SUCCESS } from '../../network/dialect';
import { pathError } from './path-error';

/** What the server has at each path: for each its status, and a value with its length before it. In the caller's order. */
export function decodeLookup(request: LookupRequest, body: Buffer, context: ErrorContext): PathOutcome[] {
  const reader = new Reader(body, 'lookupIn');
  const outcomes: PathOutcome[] = [];
  for (const [index, { op, path }] of request.specs.entries()) {
    const status = reader.u16();
    const value = reader.bytes(reader.u32());
    const place = request.positions[index] as number;
    outcomes[place] = outcomeOf(op, status, value, { ...context, path });
  }
  reader.end();
  return outcomes;
}

/** What counters are after the mutation: for each its index, its status, and a value with its length before it. */
export function decodeMutation({ specs, positions }: MutationRequest, body: Buffer): (bigint | undefined)[] {
  const reader = new Reader(body, 'mutateIn');
  const values = specs.map((): bigint | undefined => undefined);
  while (!reader.isAtEnd) {
    const index = reader.u8();
    const status = reader.u16();
    const value = reader.bytes(reader.u32());
    const place = positions[index];
    if (place === undefined || status !== SUCCESS) throw nonsense('mutateIn');
    if (specs[index]?.op === 'counter') values[place] = numberOf(value);
  }
  const isTold = specs.every(({ op }, i) => op !== 'counter' || values[positions[i] as number] !== undefined);
  if (!isTold) throw nonsense('mutateIn');
  return values;
}

/** Why none of the paths was changed: the index and the status of the first that could not be. */
export function mutationError(request: MutationRequest, body: Buffer, context: ErrorContext): EvenkeelError {
  try {
    return failureIn(request, body, context);
  } catch (error) {
    if (isOurs(error)) return error;
    throw error;
  }
}

function failureIn(request: MutationRequest, body: Buffer, context: ErrorContext): EvenkeelError {
  const reader = new Reader(body, 'mutateIn');
  const index = reader.u8();
  const status = reader.u16();
  reader.end();
  const spec = request.specs[index];
  if (spec === undefined) throw nonsense('mutateIn');
  return pathError('mutateIn', status, context, spec.path);
}

function outcomeOf(op: LookupOp, status: number, value: Buffer, context: ErrorContext): PathOutcome {
  if (op === 'exists' && (status === SUCCESS || status === CouchbaseStatus.pathNotFound))
    return { value: status === SUCCESS };
  if (status === CouchbaseStatus.pathNotFound) return { value: undefined };
  if (status !== SUCCESS) return { error: pathError('lookupIn', status, context, context.path) };
  try {
    return { value: op === 'count' ? countOf(value) : parseJson(value.toString('utf8')) };
  } catch (error) {
    if (!isOurs(error)) throw error;
    return { error: Object.assign(error, { context: { ...context, ...error.context } }) };
  }
}

function countOf(value: Buffer): number {
  const text = value.toString('latin1');
  if (!/^\d{1,10}$/.test(text)) throw nonsense('lookupIn');
  return Number(text);
}

function numberOf(value: Buffer): bigint {
  const text = value.toString('latin1');
  if (!/^-?\d{1,19}$/.test(text)) throw nonsense('mutateIn');
  return BigInt(text);
}

/** Throws ServerError where there are not as many bytes as are to be read, or more at the end. */
class Reader {
  readonly #body: Buffer;
  readonly #op: string;
  #at = 0;

  constructor(body: Buffer, op: string) {
    this.#body = body;
    this.#op = op;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#body.length;
  }

  u8(): number {
    return this.bytes(1).readUInt8();
  }

  u16(): number {
    return this.bytes(2).readUInt16BE();
  }

  u32(): number {
    return this.bytes(4).readUInt32BE();
  }

  bytes(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#body.length) throw nonsense(this.#op);
    const bytes = this.#body.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  end(): void {
    if (!this.isAtEnd) throw nonsense(this.#op);
  }
}

const nonsense = (op: string): ServerError =>
  new ServerError(`${op}: the server's answer does not fit the paths that were asked for`);
