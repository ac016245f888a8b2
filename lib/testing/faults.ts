import type { OpcodeName } from './protocol';

/**
 * When a fault ends the connection: before the request is executed, after it, or after this many bytes of its answer.
 */
export type Moment = 'before' | 'after' | { readonly afterBytes: number };

/** Header fields of a binary answer to overwrite. Lengths are written as given, whatever the actual body. */
export interface HeaderLies {
  readonly magic?: number | undefined;
  readonly opcode?: number | undefined;
  readonly keyLength?: number | undefined;
  readonly extrasLength?: number | undefined;
  readonly datatype?: number | undefined;
  readonly status?: number | undefined;
  readonly totalBody?: number | undefined;
  readonly opaque?: number | undefined;
  readonly cas?: bigint | undefined;
}

/**
 * What happens to a request instead of its answer. Times are in milliseconds. Faults apply to requests of all
 * protocols, except that `header` applies only to the binary protocol, and `wrongOpaque` only to requests with an
 * opaque.
 */
export type RequestAction =
  /** Answers `ms` late. Later answers wait for it, unless `reorder` is true. */
  | { readonly kind: 'delay'; readonly ms: number; readonly reorder?: boolean | undefined }
  /**
   * Neither executes nor answers the request. The same holds for later requests on the connection (they are read and
   * recorded), unless `later` is `'answer'`.
   */
  | { readonly kind: 'hang'; readonly later?: 'hang' | 'answer' | undefined }
  /** Executes the request without answering. */
  | { readonly kind: 'drop' }
  /** Answers in chunks of the given sizes (the last one repeats; default: single bytes), `ms` apart (default 0). */
  | {
      readonly kind: 'split';
      readonly sizes?: readonly number[] | undefined;
      readonly ms?: number | undefined;
    }
  /** Sends only the first `bytes` of the answer, then nothing (default), FIN or RST. */
  | {
      readonly kind: 'truncate';
      readonly bytes: number;
      readonly end?: 'silence' | 'close' | 'reset' | undefined;
    }
  /** Sends RST; default `'before'`. */
  | { readonly kind: 'reset'; readonly when?: Moment | undefined }
  /** Sends FIN; default `'before'`. */
  | { readonly kind: 'close'; readonly when?: Moment | undefined }
  /** Answers with another opaque. Default: the complement of the request's (32 bits of it, if it is a number), or 0. */
  | { readonly kind: 'wrongOpaque'; readonly opaque?: number | undefined }
  /**
   * Answers with this status instead of executing the request (or after executing it, with `execute`). The default body
   * is memcached's text. Text and meta requests get the corresponding line of memcached, or `body` as the line.
   */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body?: string | Uint8Array | undefined;
      readonly execute?: boolean | undefined;
    }
  /**
   * Sends these bytes, or `length` (default 64) random ones from `seed` (default 1), instead of executing and
   * answering.
   */
  | {
      readonly kind: 'garbage';
      readonly bytes?: Uint8Array | undefined;
      readonly seed?: number | undefined;
      readonly length?: number | undefined;
    }
  /** Sends the answer with a false header. Has no effect on a request without an answer. */
  | { readonly kind: 'header'; readonly fields: HeaderLies }
  /** Sends a success header that announces a body of `bytes` (text protocols: a VALUE or VA line), then nothing. */
  | { readonly kind: 'announce'; readonly bytes: number }
  /**
   * Sends extra packets around the answer. Default: before it, one success answer with an opaque that was never sent.
   */
  | {
      readonly kind: 'unsolicited';
      readonly packets?: readonly Uint8Array[] | undefined;
      readonly position?: 'before' | 'after' | undefined;
    };

/** What happens to a new connection. */
export type ConnectAction =
  /** The server does not listen while the fault is set: ECONNREFUSED. `times` has no effect. */
  | { readonly kind: 'refuse' }
  /** Accepts the connection, then sends RST. */
  | { readonly kind: 'reset' }
  /** Accepts the connection and never answers; received bytes are discarded without recording. */
  | { readonly kind: 'silent' }
  /** Sends these bytes, or 64 random ones from `seed`, before the first request; then serves normally. */
  | { readonly kind: 'banner'; readonly bytes?: Uint8Array | undefined; readonly seed?: number | undefined };

/** How often a fault applies. */
interface Occurrence {
  /** The first matching request to affect, counted from 1 (default). */
  readonly nth?: number | undefined;
  /** The number of requests to affect. Default: all from the `nth` on. */
  readonly times?: number | undefined;
  /** Only this connection: its index in order of acceptance, from 0. */
  readonly connection?: number | undefined;
}

/** A fault of requests; all given conditions must hold. */
export interface RequestFault<Name extends string = OpcodeName> extends Occurrence {
  readonly on?: 'request' | undefined;
  /**
   * The operation. Commands of the text and meta protocols have the name of their effect, with or without `noreply`:
   * `get` includes `gets` and `mg`, `set` includes `cas` and `ms`; `gat` and `touch` include an `mg` with `T`, with and
   * without a value.
   */
  readonly opcode?: Name | number | readonly (Name | number)[] | undefined;
  /**
   * The complete key (or one of several in a request), a pattern, or a predicate (not with a server in a worker). Keys
   * are compared as UTF-8.
   */
  readonly key?: (string | RegExp | ((key: string) => boolean)) | undefined;
  readonly action: RequestAction;
}

/** A fault of new connections. */
export interface ConnectFault extends Occurrence {
  readonly on: 'connect';
  readonly action: ConnectAction;
}

export type FaultRule<Name extends string = OpcodeName> = RequestFault<Name> | ConnectFault;
