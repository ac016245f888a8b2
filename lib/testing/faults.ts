import type { OpcodeName } from './protocol';

/** Where an ending fault strikes: before the request is executed, after it, or behind that many bytes of its answer. */
export type Moment = 'before' | 'after' | { readonly afterBytes: number };

/** Header fields of a binary answer to overwrite; lengths are written as given, whatever the body really has. */
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
 * What happens to a request instead of being answered. Times are milliseconds. Requests of all protocols are struck;
 * `header` strikes those of the binary protocol only, and `wrongOpaque` those that have an opaque.
 */
export type RequestAction =
  /** Answered `ms` late. Later answers wait behind it, unless `reorder`. */
  | { readonly kind: 'delay'; readonly ms: number; readonly reorder?: boolean | undefined }
  /**
   * Neither executed nor answered. What follows on the connection is not either (it is read and recorded), unless
   * `later` is `'answer'`.
   */
  | { readonly kind: 'hang'; readonly later?: 'hang' | 'answer' | undefined }
  /** Executed, not answered. */
  | { readonly kind: 'drop' }
  /** Answered in chunks of the given sizes, the last one repeating (default: single bytes), `ms` apart (default 0). */
  | {
      readonly kind: 'split';
      readonly sizes?: readonly number[] | undefined;
      readonly ms?: number | undefined;
    }
  /** Only the first `bytes` of the answer, then silence (default), FIN or RST. */
  | {
      readonly kind: 'truncate';
      readonly bytes: number;
      readonly end?: 'silence' | 'close' | 'reset' | undefined;
    }
  /** RST; default `'before'`. */
  | { readonly kind: 'reset'; readonly when?: Moment | undefined }
  /** FIN; default `'before'`. */
  | { readonly kind: 'close'; readonly when?: Moment | undefined }
  /** Answered under another opaque; default: the complement of the request's (of a number: its 32 bits), or 0. */
  | { readonly kind: 'wrongOpaque'; readonly opaque?: number | undefined }
  /**
   * This status instead of execution (or after it, with `execute`); the default body is memcached's text. Text and meta
   * requests are answered with the line that memcached has for it, or with `body` as the line.
   */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body?: string | Uint8Array | undefined;
      readonly execute?: boolean | undefined;
    }
  /** These bytes, or `length` (default 64) random ones of `seed` (default 1), instead of execution and answer. */
  | {
      readonly kind: 'garbage';
      readonly bytes?: Uint8Array | undefined;
      readonly seed?: number | undefined;
      readonly length?: number | undefined;
    }
  /** The answer with a header that lies. A request without an answer stays without. */
  | { readonly kind: 'header'; readonly fields: HeaderLies }
  /** A success header that announces a body of `bytes` (text: a VALUE or VA line), then silence. */
  | { readonly kind: 'announce'; readonly bytes: number }
  /** Extra packets around the answer; default: one success that nobody asked for (under an opaque nobody sent), before it. */
  | {
      readonly kind: 'unsolicited';
      readonly packets?: readonly Uint8Array[] | undefined;
      readonly position?: 'before' | 'after' | undefined;
    };

/** What happens to a new connection. */
export type ConnectAction =
  /** Nobody listens while the fault is set: ECONNREFUSED. `times` has no meaning here. */
  | { readonly kind: 'refuse' }
  /** Accepted, then RST. */
  | { readonly kind: 'reset' }
  /** Accepted, never answered; what arrives is thrown away unrecorded. */
  | { readonly kind: 'silent' }
  /** These bytes, or 64 random ones of `seed`, before anything was asked; then served as usual. */
  | { readonly kind: 'banner'; readonly bytes?: Uint8Array | undefined; readonly seed?: number | undefined };

/** How often a fault strikes. */
interface Occurrence {
  /** First match to strike, counted from 1 (default). */
  readonly nth?: number | undefined;
  /** Number of strikes; default: all from the `nth` on. */
  readonly times?: number | undefined;
  /** Only on this connection: its index in order of acceptance, from 0. */
  readonly connection?: number | undefined;
}

/** A fault of requests; every condition given must hold. */
export interface RequestFault<Name extends string = OpcodeName> extends Occurrence {
  readonly on?: 'request' | undefined;
  /**
   * The operation. Commands of the text and meta protocols go by the name of what they do, `noreply` or not: `get` strikes
   * `gets` and `mg`, `set` strikes `cas` and `ms`, `gat` and `touch` an `mg` with `T`, with a value and without.
   */
  readonly opcode?: Name | number | readonly (Name | number)[] | undefined;
  /** The whole key (of a request with several: one of them), a pattern, or a predicate (not with a server in a worker). Keys are compared as UTF-8. */
  readonly key?: (string | RegExp | ((key: string) => boolean)) | undefined;
  readonly action: RequestAction;
}

/** A fault of new connections. */
export interface ConnectFault extends Occurrence {
  readonly on: 'connect';
  readonly action: ConnectAction;
}

export type FaultRule<Name extends string = OpcodeName> = RequestFault<Name> | ConnectFault;
