/** The exports of the addon; the C++ side is native/addon/. layout.ts defines all numbers. */
export interface NativeAddon {
  /** The version of the package that it was built from. */
  readonly version: string;
  /** Creates a base; returns an errno on failure. `dispatch` receives EVENT_… kinds. */
  createBase(
    threaded: boolean,
    name: string,
    dispatch: (kind: number, id: number, argument: number) => void,
  ): NativeBase | number;
  counters(): NativeCounters;
  /** Ends the process at once, without waiting for its threads. */
  exitNow(code: number): never;
  /** Locks on LMDB's lock file that survive any close() of the file in this process; see native/base/held_locks.h. */
  holdLocks(file: string): NativeLocks;
  /** Whether this much address space can be mapped in one piece. */
  canMap(bytes: number): boolean;
  /** Whether this many threads can be started at once. */
  canStartThreads(count: number, stackBytes: number): boolean;
  /**
   * Calls a method of another addon with two arguments. Returns false without calling it when this worker is being
   * terminated.
   */
  attempt(object: object, method: (...args: never[]) => unknown, first?: unknown, second?: unknown): boolean;
  /** Can be shared by any number of clients. undefined: the process has no OpenSSL 3. */
  createTlsContext(options: NativeTlsOptions): NativeTlsContext | NativeTlsMistake | undefined;
}

declare const tlsContext: unique symbol;
/** An opaque value; garbage collection frees its contents. */
export interface NativeTlsContext {
  readonly [tlsContext]: true;
}

/** The invalid option and the reason; `option` is empty when no single one is to blame. */
export interface NativeTlsMistake {
  readonly option: '' | 'ca' | 'cert' | 'key' | 'minVersion';
  readonly text: string;
}

export interface NativeTlsOptions {
  readonly ca: readonly string[];
  /** `cert`, `key` and `passphrase` are empty without a client certificate. */
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string;
  /** As on the wire: 0x0303 is TLS 1.2. */
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly rejectUnauthorized: boolean;
}

export interface NativeLocks {
  /** Call after LMDB has opened the directory and read from it. */
  take(): void;
  /** Call before LMDB closes it. */
  loosen(): void;
  /** Call after LMDB has closed it. */
  release(): void;
}

/** Live native objects of this process; all zero once everything is closed. */
export interface NativeCounters {
  readonly bases: number;
  readonly threads: number;
  readonly pipelines: number;
  readonly streams: number;
  readonly payloads: number;
  readonly largeValues: number;
  /** Memory mapped directly from the system, in bytes. */
  readonly mappedBytes: number;
  readonly unsettled: number;
}

export interface NativeBaseStats {
  /** Iterations of the loop. */
  readonly polls: number;
  /** Iterations in which another thread had handed something over. */
  readonly wakeups: number;
  readonly readyEvents: number;
  readonly timersFired: number;
  /** System calls that wrote to a connection. */
  readonly writes: number;
  readonly descriptors: number;
  readonly timers: number;
}

export interface NativeBase {
  ref(): void;
  unref(): void;
  setTimer(id: number, delay: number): void;
  clearTimer(id: number): void;
  /** Returns 0 or an errno. */
  watch(id: number, fd: number, interest: number): number;
  unwatch(id: number): void;
  watchSignal(id: number, signal: number): void;
  unwatchSignal(id: number): void;
  requestStats(id: number): void;
  lastStats(): NativeBaseStats;
  close(done: () => void): void;
  createClient(
    options: NativeClientOptions,
    parameters: Uint32Array,
    records: Uint32Array,
    /** Returns true to continue in another turn of the loop. */
    drain: () => boolean,
  ): NativeClient;
}

export interface NativeClientOptions {
  readonly connectTimeout: number;
  readonly backoffMin: number;
  readonly backoffMax: number;
  readonly silenceLimit: number;
  /** undefined: connections are not encrypted. */
  readonly tls: NativeTlsContext | undefined;
  /** An OFFLINE_… constant. */
  readonly offline: number;
  /** The number of connections to each server. */
  readonly connections: number;
  readonly maxWritten: number;
  readonly maxOperations: number;
  readonly maxQueuedBytes: number;
  /** The duration in µs from which an operation is reported as slow. */
  readonly slow: number;
  readonly maxValue: number;
  /** Its operations do not keep the process alive. */
  readonly isBackground: boolean;
}

/** A request of a handshake and the interpretation of its answer; see pipeline/handshake.h. */
export interface NativeStep {
  /** Contains HANDSHAKE_OPAQUE, if requests have an opaque. */
  readonly request: Uint8Array;
  /** The code of a positive answer: an opcode of the binary protocol, or a META_ANSWER_… constant. */
  readonly code: number;
  /** Another status that is accepted. */
  readonly tolerated?: number;
  /** The number of following steps to skip after a positive answer. */
  readonly skips?: number;
  /** true: sent after the earlier steps are answered; otherwise sent together with them. */
  readonly waits?: boolean;
  /** true: it contains credentials. */
  readonly authenticates?: boolean;
  /** true: the value of the positive answer is the server's version. */
  readonly tellsVersion?: boolean;
  /** The oldest accepted version, packed in three bytes. */
  readonly oldestVersion?: number;
  /** It waits until continueHandshake() gives its request, which is empty here. */
  readonly asks?: boolean;
  /** No status is a refusal. */
  readonly isOptional?: boolean;
  /** Its answer comes as OUTCOME_HANDSHAKE. */
  readonly tells?: boolean;
  /** Without all of these in the value that grants it, the server does not speak the protocol (CAUSE_FEATURES). */
  readonly features?: Uint16Array;
}

export interface NativeClient {
  /** Writes a slot, or a REFUSED_… code, to PARAM_SLOT. */
  submit(key: string): void;
  submitValue(key: string, value: string | Uint8Array): void;
  /** For an operation on a server; `argument` may be empty. */
  submitTo(server: number, argument: string): void;
  /** Of one of Couchbase's that have a value instead of an argument. */
  submitValueTo(server: number, value: string | Uint8Array): void;
  /**
   * An upper bound of the bytes that the operation needs, or the REFUSED_… code that submit() would return for these
   * arguments.
   */
  check(key: string, value?: string | Uint8Array): number;
  /**
   * Makes room for an operation that is submitted later, with CODE_ACCEPTED. Returns its bytes, for giveBack(), or the
   * REFUSED_… code that submit() would return.
   */
  setAside(key: string, value?: string | Uint8Array): number;
  /** Before it is submitted, or when it is not submitted after all. */
  giveBack(bytes: number): void;
  /** `how` is a FLUSH_… mode. */
  flush(how: number): void;
  /** Returns the number of records filled in; 0 when there are none. */
  take(slabOffset: number): number;
  takeLarge(index: number): Buffer | undefined;
  setSlab(slab: Uint8Array): void;
  /**
   * `protocol` is a PROTOCOL_… constant, `steps` are the first requests on each connection, and `isGuess` means that
   * the protocol has not been confirmed by a connection. `isOpen` means that the server may turn out to speak another
   * one: until decideServer(), operations that this protocol lacks wait. An id may be reused after OUTCOME_RETIRED.
   */
  addServer(
    id: number,
    protocol: number,
    steps: readonly NativeStep[],
    host: string,
    isGuess: boolean,
    isOpen: boolean,
  ): void;
  /**
   * The first addresses start the first attempt to connect, after a pause if so many attempts have already failed in a
   * row.
   */
  setAddresses(
    id: number,
    addresses: readonly (readonly [string, number] | readonly [string])[],
    failures: number,
  ): void;
  /** The server finishes its operations. If keys are still routed to it, all keys are refused until they are routed anew. */
  retireServer(id: number): void;
  /**
   * When it returns, operations that waited for a connection to the server can be taken as lost and unwritten. The
   * server may be retired already, and must be retired afterwards.
   */
  abandonServer(id: number): void;
  /** The server has answered: operations that waited for that, and those behind them, can be taken as with abandonServer(). */
  decideServer(id: number): void;
  /** The id of the server for a key; -1 when there is none or the key is invalid. */
  serverOf(key: string): number;
  /**
   * Routes keys to these servers from now on: by a KEY_HASH_… and a ring's points and owners (indexes into `ids`) or,
   * without a ring, by the remainder of the hash. Without servers, keys are refused. Returns false for invalid
   * arguments.
   */
  routeBy(ids: Uint16Array, keyHash: number, points?: Uint32Array, owners?: Uint16Array): boolean;
  /**
   * The same by partitions: for each one the index into `ids` of the server that has its active copy, and behind it those of its
   * replicas, `copies` numbers in all; -1: none has. From here on operations also leave for the servers that this says when they
   * were routed before, unless they are written; and those that servers sent back for want of the partition.
   */
  routeByPartitions(ids: Uint16Array, owners: Int16Array, copies: number): boolean;
  /**
   * The request of the step that asks for it, after OUTCOME_HANDSHAKE has told of the one before with this attempt; undefined ends
   * the attempt with CAUSE_CREDENTIALS. Does nothing when the attempt has ended.
   */
  continueHandshake(connection: number, attempt: number, request: Uint8Array | undefined): void;
  cancel(slot: number): void;
  close(): void;
  /** Reads the METER_WORDS counters of a server that has been added. */
  readMeter(id: number, words: Float64Array): void;
  /** Bytes of requests waiting to be written. */
  queuedBytes(): number;
  /** The number of further operations without a value that would be accepted. */
  available(): number;
  /** Whether this many operations, with this many bytes in total, would be accepted now. */
  fits(operations: number, bytes: number): boolean;
}
