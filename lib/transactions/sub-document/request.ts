import type { LookupSpec, MutationSpec } from './specs';

/** Specs in an engine's encoding. */
export interface PathRequest<Spec> {
  /** The body of the request. */
  readonly value: Uint8Array;
  /** In the order in which they are sent. */
  readonly specs: readonly Spec[];
  /** The index of each spec in the caller's order. */
  readonly positions: readonly number[];
}

export type LookupRequest = PathRequest<LookupSpec<unknown>>;
export type MutationRequest = PathRequest<MutationSpec<unknown>>;

/** The sub-document encoding of an engine that reads and writes parts of documents. */
export interface PathCodec {
  /** Throws InvalidArgumentError (`specs`). */
  encodeLookup(specs: readonly LookupSpec<unknown>[]): LookupRequest;
  encodeMutation(specs: readonly MutationSpec<unknown>[]): MutationRequest;
}
