import { escapeControls, excerpt, shorten } from './text';

// Longer than every message that is made here, and short enough for a line of a log.
const LONGEST_MESSAGE = 4000;

/** What an error knows of the operation it ended. Absent fields were not known or do not apply. */
export interface ErrorContext {
  /** The method the user called: 'get', 'upsert', … */
  readonly op?: string;
  readonly key?: string;
  /** The server, as `host:port` or the path of its socket. */
  readonly node?: string;
  /** How often the request was handed to a connection. */
  readonly attempts?: number;
  /** The server's status code, as in the protocol document of the engine. */
  readonly status?: number;
  /** The argument at fault, of an InvalidArgumentError. */
  readonly argument?: string;
  /** The class of the record, event or index concerned. */
  readonly class?: string;
  /** The unique index whose value another record has already, of a KeyExistsError. */
  readonly index?: string;
  /** Positions of events: the one asked for, the oldest that is kept, the one to go on from. */
  readonly requested?: string;
  readonly oldest?: string;
  readonly resumeFrom?: string;
  /** The value at fault, of a ValidationError: `lines[3].price`; empty for the record itself. */
  readonly path?: string;
  /** Where a text is at fault, of a DdlSyntaxError: both from 1, the column in UTF-16 code units. */
  readonly line?: number;
  readonly column?: number;
}

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly context?: ErrorContext | undefined;
  /** Overrides the class's default. */
  readonly retryable?: boolean | undefined;
  readonly ambiguous?: boolean | undefined;
  /** The message is made of lines; without it, what breaks a line is escaped, too. */
  readonly multiline?: boolean | undefined;
}

// instanceof asks for the brand, not the prototype, so that it survives a package installed twice; and the brand is
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

/** The ancestor of every error of this package. `code` is stable; messages are for people. */
export class EvenkeelError extends Error {
  static readonly code: string = 'EVENKEEL_ERROR';
  static readonly retryable: boolean = false;

  declare readonly code: string;
  /** The same call may succeed later, without a change of its arguments. */
  declare readonly retryable: boolean;
  /** The server may have executed the operation although no answer says so. */
  declare readonly ambiguous: boolean;
  declare readonly context: ErrorContext;

  constructor(message: string, options: ErrorOptions = {}) {
    const kind = new.target;
    if (!Object.hasOwn(kind.prototype, 'name')) describe(kind);
    const { cause, multiline = false } = options;
    // Keys, servers and files may have a part in it, and it ends in logs and on terminals.
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

/** What all errors of a class share: its brand, and the name that their stack begins with. */
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

/** The record was changed by somebody else since its `cas` was read. */
export class CasMismatchError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_CAS_MISMATCH';
}

/** `insert` of a key that exists. */
export class KeyExistsError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_KEY_EXISTS';
}

/** `replace`, `append` or `prepend` of a key that does not exist, or a `cas` given for one. */
export class KeyNotFoundError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_KEY_NOT_FOUND';
}

/** The scheduling context of the operation failed: nothing of it reached the network. */
export class DiscardedError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_DISCARDED';
}

/** As much is under way already as `maxInFlight`, `maxQueued` and `maxQueuedBytes` allow. */
export class BackpressureError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_BACKPRESSURE';
  static override readonly retryable = true;
}

/** The system refuses what the call needs: a descriptor, a thread or memory. The message names its error. */
export class ResourceError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_RESOURCE';
  static override readonly retryable = true;
}

/** An event base of another JavaScript thread. */
export class CrossThreadError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_CROSS_THREAD';
}

/** Something this engine or platform cannot do; the message names both. */
export class UnsupportedError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_UNSUPPORTED';
}

/** No connection, or the connection broke, or the server does not speak the protocol. `cause` says how. */
export class ConnectionError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_CONNECTION';
  static override readonly retryable = true;
}

/** The server refuses the credentials, or asks for some. */
export class AuthenticationError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_AUTHENTICATION';
}

/** A bad argument, thrown by the call it was given to; `context.argument` names it. */
export class InvalidArgumentError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_INVALID_ARGUMENT';
}

/** A record is not what its class declares; `context.path` names the value at fault. */
export class ValidationError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_VALIDATION';
}

/** A schema text that cannot be read, or has no counterpart here; `context.line` and `context.column` say where. */
export class DdlSyntaxError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_DDL_SYNTAX';
}

/** The embedded database cannot be opened, read or written: disk or map full, no permission, corrupt, another format. */
export class StorageError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_STORAGE';
}

/** A class is not as it is stored: only optional fields, indexes and events may be added. */
export class SchemaMismatchError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_SCHEMA_MISMATCH';
}

/** A subscription to an event that its class does not declare, or a wait for a name that no class has. */
export class EventNotDeclaredError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_EVENT_NOT_DECLARED';
}

/** A position of another database, or of this one before it was restored. */
export class EpochMismatchError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_EPOCH_MISMATCH';
}

/** What follows the position is not kept any more; `context.oldest` is where events can be had from. */
export class PositionLostError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_POSITION_LOST';
}

/** A subscription with `overflow: 'error'` fell behind; another can go on without loss from `context.resumeFrom`. */
export class OverflowError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_OVERFLOW';
}

/** A hook refused the change; `cause` is what it threw. The transaction can only be given up. */
export class VetoError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_VETO';
}

/** A durable subscription of this name is held by somebody who is alive. */
export class SubscriptionBusyError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_SUBSCRIPTION_BUSY';
  static override readonly retryable = true;
}

/** A durable subscription was made with another specification; `migrate: true` replaces it. */
export class SpecChangedError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_SPEC_CHANGED';
}

/** An acknowledgement in a transaction, of an event that had been acknowledged before it: what it does has been done. */
export class AlreadyAcknowledgedError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_ALREADY_ACKNOWLEDGED';
}

/** A handler asked for something that waits for itself: it would never have come. */
export class DeadlockError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_DEADLOCK';
}

/** A transaction lost against others as often as it may be retried. */
export class ConflictError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_CONFLICT';
  static override readonly retryable = true;
}

/** The database or event base was closed. */
export class ClosedError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_CLOSED';
}

/**
 * The server answered with a status that has no class of its own here (`context.status` is its code), or with a value above
 * `maxValueSize`.
 */
export class ServerError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_SERVER';
}

/** The stored bytes are not what their flags say: JSON that does not parse, for instance. */
export class DecodeError extends EvenkeelError {
  static override readonly code: string = 'EVENKEEL_DECODE';
}
