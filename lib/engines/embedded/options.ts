import { checkFlag, checkOptions, checkTimeout, invalidArgument, optionNames, shown } from '../../arguments';
import type { EventMode } from '../../events/types';
import { dateNow } from '../../platform';
import { type ClassDefinition, checkClass } from '../../schema/class';

/** How far an index that an existing class was given has been built: records done, of how many. */
export interface IndexProgress {
  readonly class: string;
  readonly index: string;
  readonly done: number;
  readonly total: number;
}

/** How an embedded database is opened. */
export interface EmbeddedOptions<Mode extends EventMode = EventMode> {
  /** The classes of the database. What is new in them is stored; what is stored otherwise is a SchemaMismatchError. */
  readonly classes?: readonly ClassDefinition[] | undefined;
  /**
   * 'implicit': all kinds of events of all classes are told, whatever they declare. It is a property of the database:
   * once it has been opened so it stays so, for everybody. Without the option: as it is.
   */
  readonly events?: Mode | undefined;
  /**
   * 'commit': what has resolved survives the end of the process and of the machine. 'none': faster; it survives the end
   * of the process, and after that of the machine the file may be damaged. Default 'commit', 'none' for temporary ones.
   */
  readonly durability?: 'commit' | 'none' | undefined;
  /** Nothing is written: the directory may be one that cannot be. Default false. */
  readonly readOnly?: boolean | undefined;
  /**
   * Permissions of the files that are made, whatever the umask; a directory that is made may be searched by those who may read
   * them. What is there keeps its own. Default 0o600: nobody but this process's user.
   */
  readonly mode?: number | undefined;
  /** Opens also what belongs to another user, who can have the database say anything. root is none. Default false. */
  readonly allowForeignOwner?: boolean | undefined;
  /**
   * The directory was put back from a copy: positions of events that were taken since then, or in the original, are
   * refused from now on. Default false.
   */
  readonly restored?: boolean | undefined;
  /** ms within which a write is committed, unless it gives its own. Default 10000. */
  readonly timeout?: number | undefined;
  /** Operations waiting to be written; further ones reject with BackpressureError. Default 131072. */
  readonly maxQueued?: number | undefined;
  /** How much of the past events are kept: `maxAge` seconds (default 7 days), `maxBytes` (default 256 MiB). */
  readonly retention?:
    | { readonly maxAge?: number | undefined; readonly maxBytes?: number | undefined }
    | undefined;
  /** What has expired is removed without being asked for. Default true; otherwise with the next write, and by expireNow(). */
  readonly sweeper?: boolean | undefined;
  /**
   * ms after which a process warning tells of a state of the database that is still being read, once for each place in the
   * program where that was begun: the file grows for as long. Default 60000; Infinity: never.
   */
  readonly snapshotWarning?: number | undefined;
  /** ms since 1970; for tests. Default Date.now. */
  readonly clock?: (() => number) | undefined;
  /** Called while an index that an existing class was given is built. */
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

/** Events are waited for by name alone. */
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

/** A time that is none would be the database's from then on: it does not go back. */
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
