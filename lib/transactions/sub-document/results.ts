import { inspect } from 'node:util';
import { invalidArgument, shown } from '../../arguments';
import type { EvenkeelError } from '../../errors';
import { joinWords, MutationResult, type MutationToken } from '../results';

/** The outcome of one path. */
export type PathOutcome =
  | { readonly value: unknown; readonly error?: undefined }
  | { readonly error: EvenkeelError };

/** The outcomes of the paths of a document, in the order of the request. */
export class LookupResult<Found extends readonly unknown[]> {
  /** The record's version; pass it to a later write as `cas` to make that conditional. Unsigned, 64 bits. */
  readonly cas: bigint;
  readonly #outcomes: readonly PathOutcome[];

  constructor(outcomes: readonly PathOutcome[], casHigh: number, casLow: number) {
    this.cas = joinWords(casHigh, casLow);
    this.#outcomes = outcomes;
  }

  /** All values. Throws the first error, if there is one. */
  get values(): Found {
    return this.#outcomes.map(foundIn) as unknown as Found;
  }

  /** The value of one path. Throws the error of that path, if it has one. */
  at<I extends keyof Found & number>(index: I): Found[I] {
    const outcome = this.#outcomes[index];
    if (outcome === undefined)
      throw invalidArgument(
        'index',
        `index is a whole number below ${this.#outcomes.length}, not ${shown(index)}`,
      );
    return foundIn(outcome) as Found[I];
  }

  /** The errors of the paths that could not be read; undefined for the others. A missing path is not an error. */
  get errors(): readonly (EvenkeelError | undefined)[] {
    return this.#outcomes.map(({ error }) => error);
  }

  [inspect.custom](): object {
    return { cas: this.cas, outcomes: this.#outcomes };
  }
}

/** The result of changing paths of a document. */
export class MutateInResult<Answered extends readonly unknown[]> extends MutationResult {
  /** The answers to the changes, in the order of the request: for counters their new values, otherwise undefined. */
  readonly values: Answered;
  readonly #written: MutationResult;

  constructor(values: Answered, written: MutationResult) {
    const { cas } = written;
    super(Number(cas >> 32n), Number(cas & 0xffffffffn));
    this.values = values;
    this.#written = written;
  }

  override get token(): MutationToken | undefined {
    return this.#written.token;
  }
}

function foundIn(outcome: PathOutcome): unknown {
  if (outcome.error !== undefined) throw outcome.error;
  return outcome.value;
}
