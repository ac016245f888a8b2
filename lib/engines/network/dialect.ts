import type { ErrorContext, EvenkeelError } from '../../errors';
import type { NativeClient, NativeStep } from '../../native/addon';
import type { CollectionName, DocumentEngine } from '../../transactions/documents';
import type { Kind, Operation } from '../../transactions/operation';
import type { Completions } from './completions';
import type { Extension } from './extension';

/** The status of a successful answer, in every protocol. */
export const SUCCESS = 0;

/** What is said in one handshake that cannot be known before it. */
export interface Dialog {
  /** The request of the next step, after the answer to the one with this index. Rejects to end the attempt to connect. */
  answer(step: number, value: Buffer): Promise<Uint8Array>;
}

/** A step of a handshake. */
export interface Step extends NativeStep {
  /** What it means that the server refuses it, for messages. */
  readonly refusal?: string | undefined;
}

/** A protocol that a server may speak. */
export interface Wire {
  readonly name: string;
  /** A PROTOCOL_… constant of the layout. */
  readonly protocol: number;
  /** The first requests on each connection. */
  readonly handshake: readonly Step[];
  /** Of a handshake with steps that ask for their requests. */
  readonly dialog?: (() => Dialog) | undefined;
}

/** How one engine encodes operations and interprets the answers. Stateless. */
export interface Dialect {
  /** The protocols that its servers may speak: one or two, in the order in which they are tried. */
  readonly wires: readonly Wire[];
  /** Why another possible protocol is not among them; for the error about a server that speaks none of them. */
  readonly noOtherWire?: string | undefined;
  /** Whether the first of two protocols is preferable for a server of this version. */
  isBetterSpokenTo(version: string): boolean;
  /** Whether this is the answer of a server that accepts no more connections, in any protocol. */
  isFull(said: Uint8Array): boolean;
  /** One connection is enough for connect(). Otherwise each server has to have been tried. */
  readonly isReadyWithOne?: boolean | undefined;
  /** Of an engine with collections of documents. */
  readonly documents?: DocumentEngine | undefined;
  readonly extension?: Extension | undefined;
  /** The engine's name in messages. */
  readonly engine: string;
  /** The longest key, in bytes. */
  longestKey(collection: CollectionName | undefined): number;
  /** Whether a server may keep no record versions and return 0n. */
  readonly mayBeUnversioned: boolean;
  /**
   * Why the features of memcached's meta protocol are unavailable; undefined when they are available, or when it
   * depends on the server.
   */
  readonly withoutMeta: string | undefined;
  /** Why a server that does not speak the first of two protocols lacks an operation. */
  readonly noSuchOperation: string;
  /** Whether a server of this version accepts versions chosen by the client, in this protocol; undefined if only the version can tell. */
  takesNewCas(wire: string, version: string | undefined): boolean | undefined;
  /** Why a server does not accept them. */
  readonly noNewCas: string;
  /** The native operation code of each Kind. */
  readonly codes: readonly number[];

  /** Whether executing it twice has the same effect as executing it once. */
  isIdempotent(kind: Kind): boolean;

  /** Whether lookAfter() may need the operation, whose value is then kept until its answer. */
  mayBeLookedAfter(kind: Kind): boolean;

  /**
   * The result of a successful answer; `at` is its record. Throws what the transcoder throws, and ServerError for an
   * invalid answer.
   */
  read(operation: Operation, completions: Completions, native: NativeClient, at: number): unknown;

  /** The result of another status, such as a miss; undefined when the status is an error. */
  resultOf(kind: Kind, status: number): { readonly value: unknown } | undefined;

  /**
   * A second operation that finds out what the status means, and ends the answered one; undefined when there is nothing
   * to find out.
   */
  lookAfter(operation: Operation, status: number, look: Look): Operation | undefined;

  /** The error of any other status. `text` is the server's message. */
  errorOf(
    operation: Operation,
    status: number,
    text: string,
    context: ErrorContext,
    body: () => Buffer,
  ): EvenkeelError;
}

/** The context for a second operation. */
export interface Look {
  /** The remaining time of the answered operation, in ms. */
  readonly timeout: number;
  /** The context of the answered operation. */
  readonly context: ErrorContext;
  /** Submits the answered operation once more in its remaining time; undefined when that has been done. */
  readonly again: (() => void) | undefined;
}
