import { checkFlag, checkOptions, checkTimeout, invalidArgument, optionNames, shown } from '../../arguments';
import type { EventMode } from '../../events/types';
import { dateNow } from '../../platform';
import { type ClassDefinition, checkClass } from '../../schema/class';

/** Progress of building an index that was added to an existing class: records done, and records in total. */
export interface IndexProgress {
  readonly class: string;
  readonly index: string;
  readonly done: number;
  readonly total: number;
}

/** How to open an embedded database. */
export interface EmbeddedOptions<Mode extends EventMode = EventMode> {
  /**
   * The classes of the database. Additions to them are stored; any other difference from a stored class is a
   * SchemaMismatchError.
   */
  readonly classes?: readonly ClassDefinition[] | undefined;
  /**
   * 'implicit': events of all kinds are delivered for all classes, whatever they declare. This is a permanent property
   * of the database, for all who open it. Default: as stored.
   */
  readonly events?: Mode | undefined;
  /**
   * 'commit': resolved writes survive the end of the process and of the machine. 'none': faster; they survive the end
   * of the process, but the end of the machine may leave the file damaged. Default 'commit', for temporary databases
   * 'none'.
   */
  readonly durability?: 'commit' | 'none' | undefined;
  /** true: nothing is written, so the directory may be read-only. Default false. */
  readonly readOnly?: boolean | undefined;
  /**
   * The permissions of created files, regardless of the umask. Users who may read the files may also search a created
   * directory. Existing files keep their permissions. Default 0o600: only this process's user.
   */
  readonly mode?: number | undefined;
  /**
   * true: also opens files of another user, who can then put anything into the database. root does not count as another
   * user. Default false.
   */
  readonly allowForeignOwner?: boolean | undefined;
  /**
   * true: the directory was restored from a copy. Event positions taken since the copy, or in the original, are refused
   * from now on. Default false.
   */
  readonly restored?: boolean | undefined;
  /** The default time limit of a write until its commit, in ms. Default 10000. */
  readonly timeout?: number | undefined;
  /**
   * The number of operations that may wait to be written; further ones reject with BackpressureError. Default 131072.
   */
  readonly maxQueued?: number | undefined;
  /** How many past events to keep: `maxAge` in seconds (default 7 days) and `maxBytes` (default 256 MiB). */
  readonly retention?:
    | { readonly maxAge?: number | undefined; readonly maxBytes?: number | undefined }
    | undefined;
  /**
   * true: expired records are removed automatically. false: only with the next write and by expireNow(). Default true.
   */
  readonly sweeper?: boolean | undefined;
  /**
   * After this many ms, a process warning reports a state of the database that is still being read, once for each place
   * in the program that started such a read. The file grows meanwhile. Default 60000; Infinity: never.
   */
  readonly snapshotWarning?: number | undefined;
  /** The current time in ms since 1970; for tests. Default Date.now. */
  readonly clock?: (() => number) | undefined;
  /** Called while an index that was added to an existing class is being built. */
  readonly onProgress?: ((progress: IndexProgress) => void) | undefined;
}

export type ResolvedEmbeddedOptions = Required<Omit<EmbeddedOptions, 'retention' | 'events'>> & {
  readonly events: EventMode;
  readonly retention: { readonly maxAge: number; readonly maxBytes: number };
};

const RETENTION = optionNames<NonNullable<EmbeddedOptions['retention']>>({ maxAge: true, maxBytes: true });

export function resolveEmbeddedOptions(
  given: EmbeddedOptions,
  isTemporary: boolean,
): ResolvedEmbeddedOptions {
  const {
    classes = [],
    durability = isTemporary ? 'none' : 'commit',
    clock = dateNow,
    onProgress = () => {},
    readOnly = false,
    restored = false,
    timeout = 10_000,
    maxQueued = 131_072,
    retention = {},
    sweeper = true,
    snapshotWarning = 60_000,
    events,
  } = given;
  if (events !== undefined && events !== 'implicit')
    throw invalidArgument('events', `events is 'implicit', if it is given, not ${shown(events)}`);
  if (!Array.isArray(classes)) throw invalidArgument('classes', `classes is an array, not ${shown(classes)}`);
  const names = new Set<string>();
  for (const each of classes) {
    checkClass(each, 'classes');
    if (names.has(each.name)) throw invalidArgument('classes', `classes has ${each.name} twice`);
    names.add(each.name);
  }
  checkEventNames(classes);
  if (durability !== 'commit' && durability !== 'none')
    throw invalidArgument('durability', `durability is 'commit' or 'none', not ${shown(durability)}`);
  for (const [name, value] of Object.entries({ clock, onProgress }))
    if (typeof value !== 'function')
      throw invalidArgument(name, `${name} is a function, not ${shown(value)}`);
  const time: unknown = clock();
  if (!Number.isFinite(time))
    throw invalidArgument('clock', `clock returns ms since 1970, not ${shown(time)}`);
  checkOptions(retention, RETENTION, 'retention');
  const { maxAge = 7 * 24 * 60 * 60, maxBytes = 256 << 20 } = retention;
  if (checkFlag('readOnly', readOnly) && isTemporary)
    throw invalidArgument('readOnly', 'readOnly: a temporary database has nothing to read');
  return {
    classes,
    events,
    durability,
    readOnly,
    mode: checkMode(given.mode ?? 0o600),
    allowForeignOwner: checkFlag('allowForeignOwner', given.allowForeignOwner ?? false),
    restored: checkFlag('restored', restored),
    timeout: checkTimeout(timeout),
    maxQueued: checkPositive('maxQueued', maxQueued),
    retention: {
      maxAge: checkPositive('retention.maxAge', maxAge),
      maxBytes: checkPositive('retention.maxBytes', maxBytes),
    },
    sweeper: checkFlag('sweeper', sweeper),
    snapshotWarning: checkPositive('snapshotWarning', snapshotWarning),
    clock: clock === dateNow ? clock : () => checkMoment(clock()),
    onProgress,
  };
}

/** Events are waited for by name alone, so names must be unique. */
function checkEventNames(classes: readonly ClassDefinition[]): void {
  const owners = new Map<string, string>();
  for (const { name, events } of classes) {
    for (const event of events) {
      const owner = owners.get(event.name);
      if (owner !== undefined)
        throw invalidArgument('classes', `classes: ${owner} and ${name} both have an event ${event.name}`);
      owners.set(event.name, name);
    }
  }
}

/** The database would keep an invalid time, because its time does not go back. */
function checkMoment(now: number): number {
  if (Number.isFinite(now)) return now;
  throw invalidArgument('clock', `clock tells ms since 1970, not ${shown(now)}`);
}

function checkPositive(argument: string, value: number): number {
  if (typeof value !== 'number' || !(value >= 1))
    throw invalidArgument(argument, `${argument} is a number, 1 or more, not ${shown(value)}`);
  return value;
}

function checkMode(mode: number): number {
  const isMode = Number.isInteger(mode) && (mode & ~0o666) === 0 && (mode & 0o600) === 0o600;
  if (!isMode) {
    const shape = 'permissions of files such as 0o640: 0o600 and more, nothing executable';
    throw invalidArgument(
      'mode',
      `mode is ${shape}, not ${typeof mode === 'number' ? `0o${mode.toString(8)}` : shown(mode)}`,
    );
  }
  return mode;
}
