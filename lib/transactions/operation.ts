import type { OperationTrace } from '../observability/channels';

/** What an operation asks for; the engine knows how its wire says it. */
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
  /** Its read: it resolves to a Claim. */
  getOrLoad: 15,
  // Of a server and not of a record: `key` is an argument, which may be empty.
  serverStats: 16,
  flushAll: 17,
  serverVersions: 18,
} as const;

export type KindName = keyof typeof Kind;
export type Kind = (typeof Kind)[KindName];

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
]);

/** Where there is no record, it resolves to undefined or false. */
export const canMiss = (kind: Kind): boolean => MISSING.has(kind);

/** What the simplest operations do without; kept apart so that a plain get allocates little. */
export interface Details {
  expiry: number;
  /** With less left of its time than this, as an expiry, a record may be claimed. */
  recache: number;
  casHigh: number;
  casLow: number;
  delta: bigint;
  initial: bigint;
  /** What the record's version becomes; undefined: the server chooses. */
  newCas: bigint | undefined;
  /** ms; undefined: the client's. */
  timeout: number | undefined;
  /** The engine's own moment, instead of a timeout, when the operation is handed in again. */
  deadlineHigh: number;
  deadlineLow: number;
  /** The engine's own moment of the first attempt, as well. */
  started: number;
  signal: AbortSignal | undefined;
  /** By name: the one that it is for. Otherwise its key says to which it goes. */
  server: string | undefined;
  /** How many connections broke on the very answer to it. */
  blamed: number;
  /** Why the connection broke that it was lost with the last time. */
  lostTo: Error | undefined;
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
    server: undefined,
    blamed: 0,
    lostTo: undefined,
  };
}

/** Where the results of operations go that are part of a larger one. */
export interface Collector {
  add(operation: Operation, value: unknown): void;
  fail(operation: Operation, error: unknown): void;
  /** A part of an answer in several; how many bytes there are of it by now. */
  addItem?(operation: Operation, name: string, text: string): number;
}

let resolveOfPromise: (value: unknown) => void;
let rejectOfPromise: (reason: unknown) => void;
const capture = (resolve: (value: unknown) => void, reject: (reason: unknown) => void): void => {
  resolveOfPromise = resolve;
  rejectOfPromise = reject;
};
const ignore = (): void => {};

/** One operation from its call to its one outcome. */
export class Operation {
  /** The flags that `value` is stored under. */
  flags = 0;
  /** How often it was handed to a connection. */
  attempts = 0;
  /** The slot it occupies, or -1. */
  slot = -1;
  /** Set while an AbortSignal is listened to. */
  stopListening: (() => void) | undefined = undefined;
  /** Where what is found out about it is noted, while somebody looks. */
  trace: OperationTrace | undefined = undefined;
  // TypeScript's private: a #field costs a brand check on every access of this path.
  private resolve: (value: unknown) => void = ignore;
  private reject: (reason: unknown) => void = ignore;

  constructor(
    readonly kind: Kind,
    readonly key: string,
    /** Replaced by a copy when it waits in a scheduling context. */
    public value: string | Uint8Array | undefined,
    /** Replaced when the operation is handed in again. */
    public details: Details | undefined,
    readonly collector: Collector | undefined,
  ) {}

  /** The promise of its outcome; called once, by whoever gives it to the user. */
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
