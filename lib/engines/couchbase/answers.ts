import { ServerError } from '../../errors';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { Kind, nameOf, type Operation } from '../../transactions/operation';
import { joinWords, MutationResult, type MutationToken } from '../../transactions/results';
import { LookupResult, MutateInResult } from '../../transactions/sub-document/results';
import type { Completions } from '../network/completions';
import { decodeLookup, decodeMutation } from './sub-document/decode';

/** Where tokens get what is not in the answer. */
export interface TokenSource {
  readonly bucket: string;
  partitionOf(key: string): number | undefined;
}

/** Two numbers of 64 bits before the value. */
const TOKEN_BYTES = 16;
const COUNTER_BYTES = 8;
/** What the answer about a record says before its value begins with it: whether the record was deleted. */
const META_BYTES = 20;

/** The result of a write, whose token is read when it is asked for. */
class TokenResult extends MutationResult {
  readonly #key: string;
  readonly #source: TokenSource;
  readonly #uuidHigh: number;
  readonly #uuidLow: number;
  readonly #sequenceHigh: number;
  readonly #sequenceLow: number;

  constructor(key: string, source: TokenSource, completions: Completions, at: number) {
    const { records } = completions;
    super(records[at + layout.RECORD_CAS_HIGH] as number, records[at + layout.RECORD_CAS_LOW] as number);
    this.#key = key;
    this.#source = source;
    this.#uuidHigh = completions.word(at, 0);
    this.#uuidLow = completions.word(at, 4);
    this.#sequenceHigh = completions.word(at, 8);
    this.#sequenceLow = completions.word(at, 12);
  }

  override get token(): MutationToken | undefined {
    const partition = this.#source.partitionOf(this.#key);
    if (partition === undefined) return undefined;
    return {
      bucket: this.#source.bucket,
      partition,
      partitionUuid: joinWords(this.#uuidHigh, this.#uuidLow),
      sequence: joinWords(this.#sequenceHigh, this.#sequenceLow),
    };
  }
}

/** What a successful answer resolves to. Throws what the transcoder throws, and ServerError for what makes no sense. */
export function readAnswer(
  operation: Operation,
  completions: Completions,
  native: NativeClient,
  at: number,
  source: TokenSource,
): unknown {
  switch (operation.kind) {
    case Kind.get:
    case Kind.getAndTouch:
      return valueAt(completions, native, at);
    case Kind.getRecord:
    case Kind.getReplica:
    case Kind.getAndLock:
      return completions.recordResult(valueAt(completions, native, at), at);
    case Kind.insert:
    case Kind.upsert:
    case Kind.replace:
    case Kind.append:
    case Kind.prepend:
      return readWrite(operation, completions, at, source);
    default:
      return readOther(operation, completions, native, at, source);
  }
}

/** A document that mutateIn() has created has no flags, and neither have those of old clients, which were JSON by default. */
function valueAt(completions: Completions, native: NativeClient, at: number): unknown {
  if (completions.records[at + layout.RECORD_FLAGS] !== 0 || !completions.isDefault)
    return completions.value(native, at);
  const bytes = completions.bytes(native, at);
  try {
    const text = bytes.toString('utf8');
    const value: unknown = JSON.parse(text);
    return isLongInteger(value, text) ? BigInt(text) : value;
  } catch {
    return bytes;
  }
}

/** Counters have no flags either, and may be larger than the integers of a number. */
const isLongInteger = (value: unknown, text: string): boolean =>
  typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(text);

function readWrite(
  { key }: Operation,
  completions: Completions,
  at: number,
  source: TokenSource,
): MutationResult {
  if (completions.records[at + layout.RECORD_FLAGS] !== TOKEN_BYTES) return completions.mutationResult(at);
  return new TokenResult(key, source, completions, at);
}

function readOther(
  operation: Operation,
  completions: Completions,
  native: NativeClient,
  at: number,
  source: TokenSource,
): unknown {
  const { records } = completions;
  const beside = records[at + layout.RECORD_FLAGS] as number;
  switch (operation.kind) {
    case Kind.exists:
      if (beside < META_BYTES) throw nonsense(operation);
      return completions.word(at, 0) === 0;
    case Kind.increment:
    case Kind.decrement:
      if (records[at + layout.RECORD_VALUE_LENGTH] !== beside + COUNTER_BYTES) throw nonsense(operation);
      return joinWords(completions.word(at, beside), completions.word(at, beside + 4));
    case Kind.lookupIn:
      return readLookup(operation, completions.bytes(native, at).subarray(beside), completions, at);
    case Kind.mutateIn: {
      const written = readWrite(operation, completions, at, source);
      return readMutation(operation, completions.bytes(native, at).subarray(beside), written);
    }
    case Kind.serverStats:
      return undefined; // its items have been told
    case Kind.serverVersions:
      return completions.text(at);
    default:
      return true; // done, and nothing to tell
  }
}

function readLookup(
  operation: Operation,
  body: Buffer,
  completions: Completions,
  at: number,
): LookupResult<readonly unknown[]> {
  const lookup = operation.details?.document?.lookup;
  if (lookup === undefined) throw nonsense(operation);
  const { records } = completions;
  return new LookupResult(
    decodeLookup(lookup, body, { op: nameOf(operation.kind), key: operation.key }),
    records[at + layout.RECORD_CAS_HIGH] as number,
    records[at + layout.RECORD_CAS_LOW] as number,
  );
}

function readMutation(
  operation: Operation,
  body: Buffer,
  written: MutationResult,
): MutateInResult<readonly unknown[]> {
  const mutation = operation.details?.document?.mutation;
  if (mutation === undefined) throw nonsense(operation);
  return new MutateInResult(decodeMutation(mutation, body), written);
}

const nonsense = ({ kind }: Operation): ServerError =>
  new ServerError(`${nameOf(kind)}: the server's answer does not fit the request`);
