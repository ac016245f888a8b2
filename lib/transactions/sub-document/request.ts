import type { LookupSpec, MutationSpec } from './specs';

/** Specs as an engine has encoded them. */
export interface PathRequest<Spec> {
  /** What the server is sent. */
  readonly value: Uint8Array;
  /** In the order in which they are sent. */
  readonly specs: readonly Spec[];
  /** Where each of them was in the caller's order. */
  readonly positions: readonly number[];
}

export type LookupRequest = PathRequest<LookupSpec<unknown>>;
export type MutationRequest = PathRequest<MutationSpec<unknown>>;

/** Of engines that read and write parts of documents. */
export interface PathCodec {
  /** Throws InvalidArgumentError (`specs`). */
  encodeLookup(specs: readonly LookupSpec<unknown>[]): LookupRequest;
  encodeMutation(specs: readonly MutationSpec<unknown>[]): MutationRequest;
}
