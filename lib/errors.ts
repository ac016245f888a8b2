import { escapeControls, excerpt, shorten } from './text';

// Longer than every message created here, and short enough for a log line.
const LONGEST_MESSAGE = 4000;

/** What an error knows about the operation it ended. Absent fields are unknown or do not apply. */
export interface ErrorContext {
  /** The method the user called: 'get', 'upsert', … */
  readonly op?: string;
  readonly key?: string;
  /** The server, as `host:port` or the path of its socket. */
  readonly node?: string;
  /** How many times the request was handed to a connection. */
  readonly attempts?: number;
  /** The server's status code, as in the protocol document of the engine. */
  readonly status?: number;
  /** The invalid argument of an InvalidArgumentError. */
  readonly argument?: string;
  /** The class of the record, event or index concerned. */
  readonly class?: string;
  /** The unique index in which another record already has the value, for a KeyExistsError. */
  readonly index?: string;
  /** Event positions: the one requested, the oldest one kept, the one to resume from. */
  readonly requested?: string;
  readonly oldest?: string;
  readonly resumeFrom?: string;
  /**
   * The path of the invalid value of a ValidationError, such as `lines[3].price`; empty for the record itself. For
   * lookupIn() and mutateIn(), the path at fault.
   */
  readonly path?: string;
  /** The place in the text of a DdlSyntaxError, both counted from 1; the column is in UTF-16 code units. */
  readonly line?: number;
  readonly column?: number;
}

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly context?: ErrorContext | undefined;
  /** Overrides the class's default. */
  readonly retryable?: boolean | undefined;
  readonly ambiguous?: boolean | undefined;
  /** The message has several lines. By default, line breaks are escaped too. */
  readonly multiline?: boolean | undefined;
}

// instanceof checks the brand instead of the prototype, so it works when the package is installed twice. The brand is
// the code, which minifiers do not rename.
const brands = new Map<string, symbol>();

function brand(code: string): symbol {
  let symbol = brands.get(code);
  if (symbol === undefined) {
    symbol = Symbol.for(`evenkeel.error.${code}`);
    brands.set(code, symbol);
  }
  return symbol;
}

/** The base class of all errors of this package. `code` is stable; messages are for people. */
export class EvenkeelError extends Error {
  static readonly code: string = 'EVENKEEL_ERROR';
  static readonly retryable: boolean = false;

  declare readonly code: string;
  /** The same call may succeed later with the same arguments. */
  declare readonly retryable: boolean;
  /** The server may have executed the operation even though no answer confirms it. */
  declare readonly ambiguous: boolean;
  declare readonly context: ErrorContext;

  constructor(message: string, options: ErrorOptions = {}) {
    const kind = new.target;
    if (!Object.hasOwn(kind.prototype, 'name')) describe(kind);
    const { cause, multiline = false } = options;
    // The message may contain text from keys, servers and files, and is printed to logs and terminals.
    const harmless = multiline
      ? escapeControls(shorten(message, LONGEST_MESSAGE))
      : excerpt(message, LONGEST_MESSAGE);
    super(harmless, cause === undefined ? undefined : { cause });
    this.name = kind.name;
    this.code = kind.code;
    this.retryable = options.retryable ?? kind.retryable;
    this.ambiguous = options.ambiguous ?? false;
    this.context = options.context ?? NOTHING;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (!Object.hasOwn(this, 'code')) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && brand(this.code) in value;
  }
}

const NOTHING: ErrorContext = Object.freeze({});

/** Defines what all errors of a class share: the brand, and the name at the start of the stack. */
function describe(kind: typeof EvenkeelError): void {
  Object.defineProperty(kind.prototype, 'name', { value: kind.name, writable: true, configurable: true });
  if (Object.hasOwn(kind, 'code')) Object.defineProperty(kind.prototype, brand(kind.code), { value: true });
  const parent: typeof EvenkeelError = Object.getPrototypeOf(kind);
  if ('code' in parent && !Object.hasOwn(parent.prototype, 'name')) describe(parent);
}

/** The operation was not answered within its deadline. `ambiguous` when a mutation had left the process. */
export class TimeoutError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_TIMEOUT';
  static override readonly retryable = true;
}

/** The record has changed since its `cas` was read. */
export class CasMismatchError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_CAS_MISMATCH';
}

/** `insert` of an existing key. */
export class KeyExistsError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_KEY_EXISTS';
}

/** `replace`, `append` or `prepend` of a missing key, or any write with a `cas` for a missing key. */
export class KeyNotFoundError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_KEY_NOT_FOUND';
}

/** A mutation of a path that does not exist; `context.path` is the path. */
export class PathNotFoundError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_PATH_NOT_FOUND';
}

/** An insert at a path that exists, or a unique element that the array has already; `context.path` is the path. */
export class PathExistsError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_PATH_EXISTS';
}

/**
 * The server does not know the outcome of a durable write: it may have been made, and may still be undone. Always
 * `ambiguous`. Read the record before writing it again.
 */
export class DurabilityAmbiguousError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_DURABILITY_AMBIGUOUS';
}

/** The bucket has too few servers for the durability at the moment; nothing was written. */
export class DurabilityImpossibleError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_DURABILITY_IMPOSSIBLE';
}

/** The scheduling context of the operation failed; nothing was sent. */
export class DiscardedError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_DISCARDED';
}

/** `maxInFlight`, `maxQueued` or `maxQueuedBytes` is reached. */
export class BackpressureError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_BACKPRESSURE';
  static override readonly retryable = true;
}

/** The operating system refuses a descriptor, a thread or memory. The message names the system error. */
export class ResourceError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_RESOURCE';
  static override readonly retryable = true;
}

/** The event base belongs to another JavaScript thread. */
export class CrossThreadError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_CROSS_THREAD';
}

/** This engine or platform does not support the feature; the message names both. */
export class UnsupportedError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_UNSUPPORTED';
}

/** There is no connection, the connection broke, or the server does not speak the protocol. `cause` has the reason. */
export class ConnectionError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_CONNECTION';
  static override readonly retryable = true;
}

/** The server rejects the credentials, or requires some. */
export class AuthenticationError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_AUTHENTICATION';
}

/** An invalid argument, thrown by the call that received it; `context.argument` names it. */
export class InvalidArgumentError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_INVALID_ARGUMENT';
}

/** A record does not match its class; `context.path` names the invalid value. */
export class ValidationError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_VALIDATION';
}

/** A schema text that cannot be parsed or has no equivalent here; `context.line` and `context.column` say where. */
export class DdlSyntaxError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_DDL_SYNTAX';
}

/**
 * The embedded database cannot be opened, read or written: disk or map full, no permission, corruption, or another
 * format.
 */
export class StorageError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_STORAGE';
}

/** A class differs from its stored definition in more than added optional fields, indexes and events. */
export class SchemaMismatchError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_SCHEMA_MISMATCH';
}

/** A subscription to an event that the class does not declare, or a wait for an event name that no class declares. */
export class EventNotDeclaredError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_EVENT_NOT_DECLARED';
}

/** The position belongs to another database, or to this one before it was restored. */
export class EpochMismatchError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_EPOCH_MISMATCH';
}

/** The events after the position are no longer kept; `context.oldest` is the oldest available position. */
export class PositionLostError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_POSITION_LOST';
}

/** A subscription with `overflow: 'error'` fell behind; a new one can resume without loss at `context.resumeFrom`. */
export class OverflowError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_OVERFLOW';
}

/** A hook refused the change; `cause` is what it threw. The transaction can only be rolled back. */
export class VetoError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_VETO';
}

/** A live process or subscription already holds the durable subscription of this name. */
export class SubscriptionBusyError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_SUBSCRIPTION_BUSY';
  static override readonly retryable = true;
}

/** The durable subscription was created with another specification; `migrate: true` replaces it. */
export class SpecChangedError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_SPEC_CHANGED';
}

/** An acknowledgement in a transaction for an event that was acknowledged before: its effects are already applied. */
export class AlreadyAcknowledgedError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_ALREADY_ACKNOWLEDGED';
}

/** A handler waited for something that itself waits for the handler. */
export class DeadlockError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_DEADLOCK';
}

/** A transaction lost to concurrent writers more often than it may be retried. */
export class ConflictError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_CONFLICT';
  static override readonly retryable = true;
}

/** The database or event base was closed. */
export class ClosedError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_CLOSED';
}

/**
 * The server answered with a status that has no error class here (`context.status` is its code), or with a value larger
 * than `maxValueSize`.
 */
export class ServerError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_SERVER';
}

/** The stored bytes do not match their flags, for instance JSON that does not parse. */
export class DecodeError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_DECODE';
}
