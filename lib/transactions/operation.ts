import type { OperationTrace } from '../observability/channels';
import type { CollectionName, DocumentDetails } from './documents';

/** What an operation does; each engine translates it to its wire. */
export const Kind = {
  get: 0,
  getRecord: 1,
  exists: 2,
  insert: 3,
  upsert: 4,
  replace: 5,
  remove: 6,
  touch: 7,
  getAndTouch: 8,
  increment: 9,
  decrement: 10,
  append: 11,
  prepend: 12,
  getDetails: 13,
  invalidate: 14,
  /** The read of getOrLoad(); resolves to a Claim. */
  getOrLoad: 15,
  // These address a server instead of a record: `key` is an argument, which may be empty.
  serverStats: 16,
  flushAll: 17,
  serverVersions: 18,
  // Of engines with collections of documents.
  lookupIn: 19,
  mutateIn: 20,
  getAndLock: 21,
  unlock: 22,
  getReplica: 23,
} as const;

export type KindName = keyof typeof Kind;
export type Kind = (typeof Kind)[KindName];

/** Of engines with collections of documents. */
export type DocumentKind = (typeof Kind)['lookupIn' | 'mutateIn' | 'getAndLock' | 'unlock' | 'getReplica'];

const NAMES = Object.keys(Kind) as KindName[];
export const nameOf = (kind: Kind): KindName => NAMES[kind] ?? 'get';

export const isCounter = (kind: Kind): boolean => kind === Kind.increment || kind === Kind.decrement;

const MISSING: ReadonlySet<Kind> = new Set([
  Kind.get,
  Kind.getRecord,
  Kind.exists,
  Kind.remove,
  Kind.touch,
  Kind.getAndTouch,
  Kind.increment,
  Kind.decrement,
  Kind.getDetails,
  Kind.invalidate,
  Kind.getOrLoad,
  Kind.lookupIn,
  Kind.getAndLock,
  Kind.unlock,
  Kind.getReplica,
]);

/** A missing record resolves to undefined or false. */
export const canMiss = (kind: Kind): boolean => MISSING.has(kind);

const BOOLEAN: ReadonlySet<Kind> = new Set([
  Kind.exists,
  Kind.remove,
  Kind.touch,
  Kind.invalidate,
  Kind.unlock,
]);

/** The result of a miss, for kinds where it is not an error. */
export function missOf(kind: Kind): { readonly value: boolean | undefined } | undefined {
  if (!canMiss(kind)) return undefined;
  return { value: BOOLEAN.has(kind) ? false : undefined };
}

/** What the simplest operations do not need; kept separate so that a plain get allocates little. */
export interface Details {
  expiry: number;
  /** A record with less time to live than this, as an expiry, may be claimed. */
  recache: number;
  casHigh: number;
  casLow: number;
  delta: bigint;
  initial: bigint;
  /** The record's new version; undefined: the server chooses. */
  newCas: bigint | undefined;
  /** ms; undefined: the client's timeout. */
  timeout: number | undefined;
  /** The deadline on the engine's clock, instead of a timeout, when the operation is resubmitted. */
  deadlineHigh: number;
  deadlineLow: number;
  /** The time of the first attempt on the engine's clock. */
  started: number;
  signal: AbortSignal | undefined;
  document: DocumentDetails | undefined;
  /** The name of the server that it addresses; undefined: the key decides. */
  server: string | undefined;
  /** The number of connections that broke while reading the answer to this operation. */
  blamed: number;
  /** An errno or CAUSE_…: why the last connection that lost the operation broke; 0: none did. */
  lostTo: number;
}

export function details(): Details {
  return {
    expiry: 0,
    recache: 0,
    casHigh: 0,
    casLow: 0,
    delta: 0n,
    initial: 0n,
    newCas: undefined,
    timeout: undefined,
    deadlineHigh: 0,
    deadlineLow: 0,
    started: 0,
    signal: undefined,
    document: undefined,
    server: undefined,
    blamed: 0,
    lostTo: 0,
  };
}

/** What an engine remembers of an operation that it may try again. */
export interface Course {
  /** Counts up with each call. */
  readonly order: number;
  /** As performance.now() has it. */
  readonly deadline: number;
  /** It was parked, so no lack of room refuses it any more. */
  isAccepted: boolean;
  /** The id of its collection when it was last handed in. */
  collection: number;
  /** Collections whose ids have to be known before it is handed in, besides its own. */
  readonly batch: readonly CollectionName[];
  retries: number;
  /** When it was first answered with what made it try again. */
  failedAt: number | undefined;
}

/** Receives the results of operations that are part of a larger one. */
export interface Collector {
  add(operation: Operation, value: unknown): void;
  fail(operation: Operation, error: unknown): void;
  /** Adds one item of an answer in several packets; returns the size of the answer so far, in bytes. */
  addItem?(operation: Operation, name: string, text: string): number;
}

let resolveOfPromise: (value: unknown) => void;
let rejectOfPromise: (reason: unknown) => void;
const capture = (resolve: (value: unknown) => void, reject: (reason: unknown) => void): void => {
  resolveOfPromise = resolve;
  rejectOfPromise = reject;
};
const ignore = (): void => {};

/** One operation, from the call to its outcome. */
export class Operation {
  /** undefined: the default collection, or an engine without collections. */
  collection: CollectionName | undefined = undefined;
  course: Course | undefined = undefined;
  /** The flags stored with `value`. */
  flags = 0;
  /** How many times it was handed to a connection. */
  attempts = 0;
  /** The slot it occupies, or -1. */
  slot = -1;
  /** Set while an AbortSignal is listened to. */
  stopListening: (() => void) | undefined = undefined;
  /** Where its details are recorded while somebody subscribes. */
  trace: OperationTrace | undefined = undefined;
  // TypeScript's private, because a #field costs a brand check on every access, and this is the hot path.
  private resolve: (value: unknown) => void = ignore;
  private reject: (reason: unknown) => void = ignore;

  constructor(
    readonly kind: Kind,
    readonly key: string,
    /** Replaced by a copy while it waits in a scheduling context. */
    public value: string | Uint8Array | undefined,
    /** Replaced when the operation is resubmitted. */
    public details: Details | undefined,
    readonly collector: Collector | undefined,
  ) {}

  /** The promise of its outcome; called once, by the code that returns it to the user. */
  promise<T>(): Promise<T> {
    const promise = new Promise<unknown>(capture);
    this.resolve = resolveOfPromise;
    this.reject = rejectOfPromise;
    return promise as Promise<T>;
  }

  succeed(value: unknown): void {
    this.stopListening?.();
    if (this.collector === undefined) this.resolve(value);
    else this.collector.add(this, value);
  }

  fail(error: unknown): void {
    this.stopListening?.();
    if (this.collector === undefined) this.reject(error);
    else this.collector.fail(this, error);
  }
}
