import type { ErrorContext, EvenkeelError } from '../../errors';
import type { NativeClient, NativeStep } from '../../native/addon';
import type { Kind, Operation } from '../../transactions/operation';
import type { Completions } from './completions';

/** The status of an answer that is what was asked for, in every protocol. */
export const SUCCESS = 0;

/** A protocol that a server may speak. */
export interface Wire {
  readonly name: string;
  /** A PROTOCOL_… of the layout. */
  readonly protocol: number;
  /** What is said first on each connection. */
  readonly handshake: readonly NativeStep[];
}

/** How one engine says operations to its servers and understands what they answer. It keeps nothing of either. */
export interface Dialect {
  /** What its servers may speak, one or two; the one to be tried first comes first. */
  readonly wires: readonly Wire[];
  /** Why one that they may speak is not among those, for who is found not to speak the rest. */
  readonly noOtherWire?: string | undefined;
  /** Whether a server of this version is to be spoken to in the first of two, and not in the other. */
  isBetterSpokenTo(version: string): boolean;
  /** Whether that is what one of its servers says which takes no further connection, whatever is spoken on it. */
  isFull(said: Uint8Array): boolean;
  /** As messages call its servers. */
  readonly engine: string;
  /** The longest key, in bytes. */
  readonly longestKey: number;
  /** Whether there are servers that keep no versions of records, and give 0n for one. */
  readonly mayBeUnversioned: boolean;
  /** Why there is none of what only memcached's meta protocol can do; undefined where there is, or the server decides. */
  readonly withoutMeta: string | undefined;
  /** Why a server that is not spoken to in the first of two protocols has no such operation. */
  readonly noSuchOperation: string;
  /** Whether a server of this version takes versions of records, in the protocol of this name. */
  takesNewCas(wire: string, version: string): boolean;
  /** Why another one does not. */
  readonly noNewCas: string;
  /** How native code is told what to do, by Kind. */
  readonly codes: readonly number[];

  /** Executing it twice has the effect of executing it once. */
  isIdempotent(kind: Kind): boolean;

  /** Whether lookAfter() may have something to say of it: its value is kept until then. */
  mayBeLookedAfter(kind: Kind): boolean;

  /**
   * What a successful answer resolves to; `at`: its record. Throws what the transcoder throws, and ServerError for what
   * makes no sense.
   */
  read(operation: Operation, completions: Completions, native: NativeClient, at: number): unknown;

  /** What a status other than success resolves to where it is a result, as a miss is. */
  resultOf(kind: Kind, status: number): { readonly value: unknown } | undefined;

  /** Another operation to tell what the status means; it ends the one that was answered. undefined: there is nothing to ask. */
  lookAfter(operation: Operation, status: number, look: Look): Operation | undefined;

  /** The error of any other status. `text`: the server's own, for people. */
  errorOf(operation: Operation, status: number, text: string, context: ErrorContext): EvenkeelError;
}

/** With what a look after an answer is made. */
export interface Look {
  /** ms that are left of the operation's time. */
  readonly timeout: number;
  /** Of the operation that was answered. */
  readonly context: ErrorContext;
  /** Hands in the operation that was answered once more, in the time that is left; undefined when that has been done. */
  readonly again: (() => void) | undefined;
}
