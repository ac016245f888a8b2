/** What the addon exports; the C++ side is native/addon/. The meaning of every number is in layout.ts. */
export interface NativeAddon {
  /** Of the package it was built from. */
  readonly version: string;
  /** A base, or the errno for which there is none. `dispatch` gets EVENT_… kinds. */
  createBase(
    threaded: boolean,
    name: string,
    dispatch: (kind: number, id: number, argument: number) => void,
  ): NativeBase | number;
  counters(): NativeCounters;
  /** Ends the process at once, without waiting for its threads. */
  exitNow(code: number): never;
  /** Locks on LMDB's lock file that no close of it in this process gives up; native/base/held_locks.h. */
  holdLocks(file: string): NativeLocks;
  /** Whether so many bytes of address space may be had in one piece. */
  canMap(bytes: number): boolean;
  /** Whether so many threads may be started at once. */
  canStartThreads(count: number, stackBytes: number): boolean;
  /** Calls a method of another addon with two arguments; false when it was not, as this worker is being terminated. */
  attempt(object: object, method: (...args: never[]) => unknown, first?: unknown, second?: unknown): boolean;
  /** Of any number of clients. undefined: the process has no OpenSSL 3. */
  createTlsContext(options: NativeTlsOptions): NativeTlsContext | NativeTlsMistake | undefined;
}

declare const tlsContext: unique symbol;
/** An opaque value; what it holds is freed with it. */
export interface NativeTlsContext {
  readonly [tlsContext]: true;
}

/** Which option is wrong, and why; of none when `option` is empty. */
export interface NativeTlsMistake {
  readonly option: '' | 'ca' | 'cert' | 'key' | 'minVersion';
  readonly text: string;
}

export interface NativeTlsOptions {
  readonly ca: readonly string[];
  /** Empty, as the two below, without a certificate of this side. */
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string;
  /** As on the wire: 0x0303 is TLS 1.2. */
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly rejectUnauthorized: boolean;
}

export interface NativeLocks {
  /** LMDB has opened the directory, and read from it. */
  take(): void;
  /** Before LMDB closes it. */
  loosen(): void;
  /** LMDB has closed it. */
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
  /** Memory that is had from the system and not from an allocator, in bytes. */
  readonly mappedBytes: number;
  readonly unsettled: number;
}

export interface NativeBaseStats {
  /** Turns of the loop. */
  readonly polls: number;
  /** Turns in which another thread had handed something over. */
  readonly wakeups: number;
  readonly readyEvents: number;
  readonly timersFired: number;
  /** System calls that sent something over a connection. */
  readonly writes: number;
  readonly descriptors: number;
  readonly timers: number;
}

export interface NativeBase {
  ref(): void;
  unref(): void;
  setTimer(id: number, delay: number): void;
  clearTimer(id: number): void;
  /** 0 or an errno. */
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
    /** true: the rest is for another turn of the loop. */
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
  /** An OFFLINE_… */
  readonly offline: number;
  /** To each server. */
  readonly connections: number;
  readonly maxWritten: number;
  readonly maxOperations: number;
  readonly maxQueuedBytes: number;
  /** µs from which on an operation is told of as slow. */
  readonly slow: number;
  readonly maxValue: number;
}

/** A request of a handshake, and what its answer means; pipeline/handshake.h. */
export interface NativeStep {
  /** With HANDSHAKE_OPAQUE, where requests have an opaque. */
  readonly request: Uint8Array;
  /** Of the answer that grants it: an opcode of the binary protocol, or a META_ANSWER_… */
  readonly code: number;
  /** A status that is no refusal, either. */
  readonly tolerated?: number;
  /** How many of the steps behind it are left out when it is granted. */
  readonly skips?: number;
  /** It leaves when those before it are answered, and otherwise with them. */
  readonly waits?: boolean;
  /** There are credentials in it. */
  readonly authenticates?: boolean;
  /** The value that grants it is the server's version. */
  readonly tellsVersion?: boolean;
  /** And this one, three bytes in a number, or a newer one. */
  readonly oldestVersion?: number;
}

export interface NativeClient {
  /** Leaves a slot, or a REFUSED_… code, in PARAM_SLOT. */
  submit(key: string): void;
  submitValue(key: string, value: string | Uint8Array): void;
  /** Of an operation for a server; `argument` may be empty. */
  submitTo(server: number, argument: string): void;
  /** How many bytes the operation needs at most, or the REFUSED_… code that submit() would return for these arguments. */
  check(key: string, value?: string | Uint8Array): number;
  /** `how`: a FLUSH_… mode. */
  flush(how: number): void;
  /** How many records were filled in; 0 when there are none. */
  take(slabOffset: number): number;
  takeLarge(index: number): Buffer | undefined;
  setSlab(slab: Uint8Array): void;
  /** `protocol`: a PROTOCOL_…; `steps`: what is said first on each connection; `isGuess`: that it speaks the protocol is not known before there is one. An id may be used again when OUTCOME_RETIRED has told that its server is gone. */
  addServer(id: number, protocol: number, steps: readonly NativeStep[], host: string, isGuess: boolean): void;
  /** The first ones begin the first attempt to connect; after the pause that is due where so many have failed in a row already. */
  setAddresses(
    id: number,
    addresses: readonly (readonly [string, number] | readonly [string])[],
    failures: number,
  ): void;
  /** What it has is brought to its end. No key may be routed to it any more. */
  retireServer(id: number): void;
  /**
   * What waits for a connection of it is there to be taken when it returns, as lost and not written. It may be retired already,
   * and is to be otherwise.
   */
  abandonServer(id: number): void;
  /** Of the server that a key goes to; -1: there is none, or the key cannot be one. */
  serverOf(key: string): number;
  /**
   * From here on keys go to these servers: by a KEY_HASH_… and a ring's points and their owners (indices into `ids`), or
   * without a ring by the remainder of the hash. None: keys are refused. false: the arguments make no topology.
   */
  routeBy(ids: Uint16Array, keyHash: number, points?: Uint32Array, owners?: Uint16Array): boolean;
  cancel(slot: number): void;
  close(): void;
  /** Of a server that has been added: METER_WORDS counts. */
  readMeter(id: number, words: Float64Array): void;
  /** Bytes of requests that wait to be written. */
  queuedBytes(): number;
  /** How many more operations without a value would be accepted. */
  available(): number;
  /** Whether so many operations that need so many bytes together would be accepted now. */
  fits(operations: number, bytes: number): boolean;
}
