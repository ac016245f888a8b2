import { AsyncResource } from 'node:async_hooks';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { threadId } from 'node:worker_threads';
import { checkOptions, invalidArgument, optionNames, shown } from '../arguments';
import { ClosedError, CrossThreadError, EvenkeelError, ResourceError } from '../errors';
import type { NativeBase, NativeBaseStats, NativeClient, NativeClientOptions } from '../native/addon';
import * as layout from '../native/layout';
import { loadAddon } from '../native/load';

/** What a base has done since its creation, and what it holds now. */
export type EventBaseStats = NativeBaseStats;

export interface EventBaseOptions {
  /** The thread's name in debuggers, which show the first 15 bytes. */
  readonly name?: string | undefined;
}

export interface WatchOptions {
  readonly readable?: boolean | undefined;
  readonly writable?: boolean | undefined;
}

export interface Readiness {
  readonly readable: boolean;
  readonly writable: boolean;
}

/** A timer, watcher or signal handler; cancelling it twice does nothing. */
export interface Registration {
  cancel(): void;
  [Symbol.dispose](): void;
}

/** Calls back after a delay in ms. */
export interface Timers {
  timer(delay: number, callback: () => void): Registration;
}

interface Listener {
  onEvent(kind: number, argument: number): void;
  readonly once: boolean;
}

/**
 * The asynchronous context of the call that passed a callback. The callback runs in it, like those of Node's own
 * timers.
 */
class CallContext extends AsyncResource {
  constructor(readonly listener: Listener) {
    // Otherwise V8 would report the end of each resource to Node, at ten times the cost of a timer.
    super('EVENKEEL_CALLBACK', { requireManualDestroy: true });
  }

  call(kind: number, argument: number): void {
    this.runInAsyncScope(this.listener.onEvent, this.listener, kind, argument);
  }
}

const CREATE_NAMES = optionNames<EventBaseOptions>({ name: true });
const WATCH_NAMES = optionNames<WatchOptions>({ readable: true, writable: true });

// epoll and the timer wheel both count in 32 bits; this is 24 days, as with setTimeout.
const LARGEST_DELAY = 0x7fffffff;
const LARGEST_DESCRIPTOR = 0x7fffffff;

// Signals that cannot be handled, and faults whose handler must not simply return.
const UNCATCHABLE = new Set<string>([
  'SIGKILL',
  'SIGSTOP',
  'SIGSEGV',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGTRAP',
  'SIGSYS',
]);

// An epoll descriptor inside another works; a kqueue inside another may never fire. Bun has no libuv loop, and Deno's
// copy of libuv lets no process end that watches a descriptor, so a host base there has its own native thread.
const NESTS = process.platform === 'linux' && !('bun' in process.versions) && !('deno' in process.versions);

let hostBase: EventBase | undefined;
let basesMade = 0;

/**
 * A native event loop: sockets, timers, descriptors and signals.
 *
 * `EventBase.host` runs inside this JavaScript thread's own loop. `EventBase.create()` creates a base with its own
 * native thread, where network traffic and deadlines continue while JavaScript is busy. A base belongs to the
 * JavaScript thread that created it. It keeps the process alive only while operations are under way or after ref().
 * Callbacks run in the asynchronous context (AsyncLocalStorage) of the call that received them.
 */
export class EventBase {
  readonly name: string;
  /** Survives structured cloning, so that a base sent to another thread can be recognised. */
  readonly thread: number = threadId;
  readonly #threaded: boolean;
  readonly #native: NativeBase;
  readonly #listeners = new Map<number, CallContext>();
  readonly #watched = new Set<number>();
  readonly #onClose = new Set<() => void>();
  #nextId = 1;
  #references = 0;
  #closing: Promise<void> | undefined;

  private constructor(name: string, threaded: boolean) {
    this.name = name;
    this.#threaded = threaded || !NESTS;
    const native = loadAddon().createBase(this.#threaded, name, (kind, id, argument) =>
      this.#dispatch(kind, id, argument),
    );
    if (typeof native === 'number') {
      throw new ResourceError(`the system refuses an event base: ${getSystemErrorName(-native)}`);
    }
    this.#native = native;
  }

  /** The base of this JavaScript thread. A closed one is replaced on the next access. */
  static get host(): EventBase {
    if (hostBase === undefined || hostBase.closed) hostBase = new EventBase('host', false);
    return hostBase;
  }

  /** Creates a base with its own native thread. Close it when done; the end of the process or worker closes it too. */
  static create(options: EventBaseOptions = {}): EventBase {
    checkOptions(options, CREATE_NAMES);
    const { name = `evenkeel-${++basesMade}` } = options;
    if (typeof name !== 'string' || name.includes('\0'))
      throw invalidArgument('name', `name is a string without zero bytes, not ${shown(name)}`);
    return new EventBase(name, true);
  }

  /**
   * Throws CrossThreadError for a base of another JavaScript thread, InvalidArgumentError for anything else that is not
   * a base.
   */
  static check(value: unknown, argument = 'base'): EventBase {
    if (typeof value === 'object' && value !== null && #native in value) return value;
    if (
      typeof value === 'object' &&
      value !== null &&
      'thread' in value &&
      typeof value.thread === 'number'
    ) {
      if (value.thread === threadId)
        throw invalidArgument(argument, `${argument} is an EventBase of another copy of this package`);
      throw new CrossThreadError(
        `the event base belongs to thread ${value.thread}, this is thread ${threadId}`,
        {
          context: { argument },
        },
      );
    }
    throw invalidArgument(argument, `${argument} is an EventBase`);
  }

  /** 'host': runs in the JavaScript thread's loop. 'thread': has its own native thread. */
  get model(): 'host' | 'thread' {
    return this.#threaded ? 'thread' : 'host';
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Calls back once, after at least `delay` ms (0 to 2^31 - 1). */
  timer(delay: number, callback: () => void): Registration {
    this.#assertOpen();
    if (typeof delay !== 'number' || !(delay >= 0 && delay <= LARGEST_DELAY)) {
      throw invalidArgument(
        'delay',
        `delay is a number of milliseconds from 0 to ${LARGEST_DELAY}, not ${shown(delay)}`,
      );
    }
    checkCallback(callback);
    const id = this.#listen({ once: true, onEvent: callback });
    this.#native.setTimer(id, Math.ceil(delay));
    return this.#registration(id, () => this.#native.clearTimer(id));
  }

  /**
   * Calls back whenever the descriptor is ready for what was requested (default: readable). The base checks it again
   * only after the callback has returned. The descriptor stays the caller's; close it after cancel(). A base watches a
   * descriptor only once: request readable and writable together.
   */
  watch(fd: number, options: WatchOptions, callback: (ready: Readiness) => void): Registration {
    this.#assertOpen();
    if (!Number.isInteger(fd) || fd < 0 || fd > LARGEST_DESCRIPTOR)
      throw invalidArgument('fd', `fd is a descriptor, not ${shown(fd)}`);
    checkOptions(options, WATCH_NAMES);
    checkCallback(callback);
    const { writable = false, readable = !writable } = options;
    const interest = (readable ? 1 : 0) | (writable ? 2 : 0);
    if (interest === 0) throw invalidArgument('options', 'options asks for readable, writable or both');
    if (this.#watched.has(fd)) throw invalidArgument('fd', `descriptor ${fd} is watched already`);
    const id = this.#listen({
      once: false,
      onEvent: (kind, argument) => {
        if (kind !== layout.EVENT_READY) {
          registration.cancel();
          throw watchFailed(`descriptor ${fd}`, argument);
        }
        callback({ readable: (argument & 1) !== 0, writable: (argument & 2) !== 0 });
      },
    });
    const error = this.#native.watch(id, fd, interest);
    if (error !== 0) {
      this.#forget(id);
      const message = `descriptor ${fd} cannot be watched: ${getSystemErrorName(-error)}`;
      throw isFaultOfDescriptor(error) ? invalidArgument('fd', message) : new ResourceError(message);
    }
    this.#watched.add(fd);
    const registration = this.#registration(id, () => {
      this.#watched.delete(fd);
      this.#native.unwatch(id);
    });
    return registration;
  }

  /** Calls back on each arrival of the signal. Handlers that others installed before still run. */
  signal(name: NodeJS.Signals, callback: (name: NodeJS.Signals) => void): Registration {
    this.#assertOpen();
    const number = typeof name === 'string' ? constants.signals[name] : undefined;
    if (number === undefined || UNCATCHABLE.has(name)) {
      throw invalidArgument('name', `${shown(name)} is not a signal that can be caught`);
    }
    checkCallback(callback);
    const id = this.#listen({
      once: false,
      onEvent: (kind, argument) => {
        if (kind !== layout.EVENT_SIGNAL) throw watchFailed(name, argument);
        callback(name);
      },
    });
    this.#native.watchSignal(id, number);
    return this.#registration(id, () => this.#native.unwatchSignal(id));
  }

  /** Keeps the process alive until unref() has been called as often as ref(). */
  ref(): void {
    this.#references += 1;
    if (!this.closed) this.#native.ref();
  }

  unref(): void {
    if (this.#references === 0) return;
    this.#references -= 1;
    if (!this.closed) this.#native.unref();
  }

  async stats(): Promise<EventBaseStats> {
    this.#assertOpen();
    this.ref();
    try {
      await new Promise<void>((resolve, reject) => {
        const onClose = (): void => reject(closedError(this.name));
        this.#onClose.add(onClose);
        const onEvent = (): void => {
          this.#onClose.delete(onClose);
          resolve();
        };
        this.#native.requestStats(this.#listen({ once: true, onEvent }));
      });
      return this.#native.lastStats();
    } finally {
      this.unref();
    }
  }

  /**
   * Cancels all registrations, rejects operations under way on this base with ClosedError and ends its thread. Resolves
   * when no native resource is left. A second call waits for the same end.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      const native = this.#native;
      native.ref();
      this.#closing = new Promise((resolve) => native.close(resolve));
      for (const id of [...this.#listeners.keys()]) this.#forget(id);
      for (const onClose of this.#onClose) onClose();
      this.#onClose.clear();
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * For engines: creates a client on this base. `onClosed` is called when the base closes while the client is still
   * open.
   */
  createClient(
    options: NativeClientOptions,
    parameters: Uint32Array,
    records: Uint32Array,
    drain: () => boolean,
    onClosed: () => void,
  ): NativeClient {
    this.attach(onClosed);
    return this.#native.createClient(options, parameters, records, drain);
  }

  /** For engines: `onClosed` is called when the base closes, unless it is released before. */
  attach(onClosed: () => void): void {
    this.#assertOpen();
    this.#onClose.add(onClosed);
  }

  release(onClosed: () => void): void {
    this.#onClose.delete(onClosed);
  }

  #listen(listener: Listener): number {
    const id = this.#nextId;
    this.#nextId = (this.#nextId + 1) >>> 0;
    this.#listeners.set(id, new CallContext(listener));
    return id;
  }

  #registration(id: number, cancelNative: () => void): Registration {
    const cancel = (): void => {
      if (this.#forget(id) && !this.closed) cancelNative();
    };
    return { cancel, [Symbol.dispose]: cancel };
  }

  #dispatch(kind: number, id: number, argument: number): void {
    const context = this.#listeners.get(id);
    if (context === undefined) return; // cancelled after the event occurred
    if (context.listener.once) this.#forget(id);
    context.call(kind, argument);
  }

  /** Returns whether it was registered. */
  #forget(id: number): boolean {
    this.#listeners.get(id)?.emitDestroy();
    return this.#listeners.delete(id);
  }

  #assertOpen(): void {
    if (this.closed) throw closedError(this.name);
  }
}

function checkCallback(callback: unknown): void {
  if (typeof callback !== 'function') throw invalidArgument('callback', 'callback is a function');
}

function closedError(name: string): ClosedError {
  return new ClosedError(`the event base ${name} is closed`);
}

function watchFailed(what: string, error: number): EvenkeelError {
  const message = `${what} cannot be watched: ${getSystemErrorName(-error)}`;
  return isFaultOfDescriptor(error) ? new EvenkeelError(message) : new ResourceError(message);
}

/** Other errors are the system's: out of descriptors, memory or watches. */
function isFaultOfDescriptor(error: number): boolean {
  const { EBADF, EPERM, EEXIST, EINVAL, ELOOP } = constants.errno;
  return [EBADF, EPERM, EEXIST, EINVAL, ELOOP].includes(error);
}
