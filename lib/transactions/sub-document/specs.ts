import { checkFlag, checkObject, checkOptions, invalidArgument, optionNames, shown } from '../../arguments';
import { toJson } from '../transcoder';

export type LookupOp = 'get' | 'exists' | 'count';

export type MutationOp =
  | 'insert'
  | 'upsert'
  | 'replace'
  | 'remove'
  | 'arrayAppend'
  | 'arrayPrepend'
  | 'arrayInsert'
  | 'arrayAddUnique'
  | 'counter';

/** Where a path leads. */
export interface PathOptions {
  /** true: into the extended attributes beside the document, and not into the document. Default false. */
  readonly xattr?: boolean | undefined;
}

/** How a path is written to that may not be there. */
export interface CreatePathOptions extends PathOptions {
  /** true: objects that the path leads through are made where there are none. Default false. */
  readonly createPath?: boolean | undefined;
}

const PATH_NAMES = optionNames<PathOptions>({ xattr: true });
const CREATE_PATH_NAMES = optionNames<CreatePathOptions>({ xattr: true, createPath: true });

/** One path to read. From `sub`; it can be used any number of times. */
export class LookupSpec<T> {
  /** For the compiler only: what it finds. */
  declare protected readonly found: T;

  constructor(
    readonly op: LookupOp,
    readonly path: string,
    readonly isXattr: boolean,
  ) {}
}

/** One change of a path. From `sub`; it can be used any number of times. */
export class MutationSpec<T> {
  /** For the compiler only: what it answers. */
  declare protected readonly answered: T;

  constructor(
    readonly op: MutationOp,
    readonly path: string,
    /** JSON; of several values that are added to an array, with commas between them. Empty where there is none. */
    readonly value: string,
    readonly isXattr: boolean,
    readonly createsPath: boolean,
    /** The value is a macro, which the server replaces. */
    readonly isMacro: boolean,
  ) {}
}

/** What lookups find, by their specs. */
export type FoundBy<Specs extends readonly LookupSpec<unknown>[]> = {
  -readonly [I in keyof Specs]: Specs[I] extends LookupSpec<infer T> ? T : never;
};

/** What mutations answer, by their specs. */
export type AnsweredBy<Specs extends readonly MutationSpec<unknown>[]> = {
  -readonly [I in keyof Specs]: Specs[I] extends MutationSpec<infer T> ? T : never;
};

/** What the server puts in place of a value, in an extended attribute: something that it knows of the mutation itself. */
export class Macro {
  constructor(readonly name: string) {}
}

const LARGEST_DELTA = 0x7fffffffffffffffn;

/**
 * Paths in JSON documents, for lookupIn() and mutateIn(). A path is names with dots between them and indices in brackets:
 * `orders[0].lines`; `[-1]` is the last element. A name with other characters stands between backticks. The empty path is the document, or an array that is all of it.
 * A bad argument throws InvalidArgumentError.
 */
export const sub = {
  /** What is there; undefined where there is nothing. Of the empty path, the document. */
  get<T = unknown>(path: string, options: PathOptions = {}): LookupSpec<T | undefined> {
    return new LookupSpec('get', checkPath(path), isXattrOf(path, options));
  },

  exists(path: string, options: PathOptions = {}): LookupSpec<boolean> {
    return new LookupSpec('exists', checkPath(path, 'exists'), isXattrOf(path, options));
  },

  /** How many elements the array has, or entries the object; undefined where there is none. */
  count(path: string, options: PathOptions = {}): LookupSpec<number | undefined> {
    return new LookupSpec('count', checkPath(path), isXattrOf(path, options));
  },

  /** Writes an entry that is not there; PathExistsError when it is. */
  insert(path: string, value: unknown, options: CreatePathOptions = {}): MutationSpec<undefined> {
    return storing('insert', checkPath(path, 'insert'), value, options);
  },

  /** Writes an entry, there or not. Of the empty path, the document. */
  upsert(path: string, value: unknown, options: CreatePathOptions = {}): MutationSpec<undefined> {
    return storing('upsert', checkPath(path), value, options);
  },

  /** Writes an entry or element that is there; PathNotFoundError when it is not. Of the empty path, the document. */
  replace(path: string, value: unknown, options: PathOptions = {}): MutationSpec<undefined> {
    checkOptions(options, PATH_NAMES);
    return storing('replace', checkPath(path), value, options);
  },

  /** Takes an entry or element away; PathNotFoundError when there is none. Of the empty path, the document. */
  remove(path: string, options: PathOptions = {}): MutationSpec<undefined> {
    return new MutationSpec('remove', checkPath(path), '', isXattrOf(path, options), false, false);
  },

  /** Adds the elements of `values` at the end of an array. */
  arrayAppend(
    path: string,
    values: readonly unknown[],
    options: CreatePathOptions = {},
  ): MutationSpec<undefined> {
    return adding('arrayAppend', checkPath(path), values, options);
  },

  /** Adds the elements of `values` at the beginning of an array. */
  arrayPrepend(
    path: string,
    values: readonly unknown[],
    options: CreatePathOptions = {},
  ): MutationSpec<undefined> {
    return adding('arrayPrepend', checkPath(path), values, options);
  },

  /** Puts the elements of `values` before the one that the path names: `tags[2]`. */
  arrayInsert(path: string, values: readonly unknown[], options: PathOptions = {}): MutationSpec<undefined> {
    checkOptions(options, PATH_NAMES);
    return adding('arrayInsert', checkPath(path, 'arrayInsert'), values, options);
  },

  /** Adds an element to an array that has none like it; otherwise PathExistsError. A string, number, boolean or null. */
  arrayAddUnique(
    path: string,
    value: string | number | boolean | null,
    options: CreatePathOptions = {},
  ): MutationSpec<undefined> {
    checkPath(path);
    if (typeof value === 'object' && value !== null)
      throw invalidArgument('value', `value is a string, number, boolean or null, not ${shown(value)}`);
    return storing('arrayAddUnique', path, value, options);
  },

  /** Adds to a number; answers what it is then. `delta`: from 1 to 2^63 - 1. It begins with 0 where there is none. */
  increment(
    path: string,
    delta: bigint | number = 1n,
    options: CreatePathOptions = {},
  ): MutationSpec<bigint> {
    return counting('increment', path, checkDelta(delta), options);
  },

  /** Takes away from a number; answers what it is then, which may be negative. */
  decrement(
    path: string,
    delta: bigint | number = 1n,
    options: CreatePathOptions = {},
  ): MutationSpec<bigint> {
    return counting('decrement', path, -checkDelta(delta), options);
  },

  /** The version that the record gets by the mutation, in hexadecimal. As all macros, for extended attributes. */
  mutationCas: new Macro('Mutation.CAS'),
  /** Its sequence number. */
  mutationSequence: new Macro('Mutation.seqno'),
  /** The CRC-32C of the value that the record gets by it. */
  valueChecksum: new Macro('Mutation.value_crc32c'),
} as const;

const LONGEST_PATH = 1024;

/** `op`: it needs more than the empty path. */
function checkPath(path: string, op?: string): string {
  if (typeof path !== 'string') throw invalidArgument('path', `path is a string, not ${shown(path)}`);
  if (path === '' && op !== undefined)
    throw invalidArgument('path', `path is empty, which ${op} cannot take`);
  if (!path.isWellFormed())
    throw invalidArgument('path', 'path has a lone surrogate, which UTF-8 cannot say');
  if (path.length * 3 > LONGEST_PATH && Buffer.byteLength(path) > LONGEST_PATH)
    throw invalidArgument('path', `path is longer than ${LONGEST_PATH} bytes in UTF-8`);
  return path;
}

function isXattrOf(path: string, options: PathOptions): boolean {
  checkOptions(options, PATH_NAMES);
  return isXattr(path, options);
}

function isXattr(path: string, options: PathOptions): boolean {
  if (!isOn('xattr', options.xattr)) return false;
  if (path === '') throw invalidArgument('path', 'path is empty, and the extended attributes have names');
  return true;
}

const isOn = (argument: string, flag: boolean | undefined): boolean =>
  flag !== undefined && checkFlag(argument, flag);

function storing(
  op: MutationOp,
  path: string,
  value: unknown,
  options: CreatePathOptions,
): MutationSpec<undefined> {
  if (!(value instanceof Macro)) return mutation(op, path, toJson(value), options, false);
  if (checkObject(options, 'options').xattr !== true)
    throw invalidArgument(
      'value',
      'value is a macro, which only an extended attribute can have (xattr: true)',
    );
  return mutation(op, path, toJson(`\${${value.name}}`), options, true);
}

function adding(
  op: MutationOp,
  path: string,
  values: readonly unknown[],
  options: CreatePathOptions,
): MutationSpec<undefined> {
  if (!Array.isArray(values) || values.length === 0)
    throw invalidArgument('values', `values is an array of what is to be added, not ${shown(values)}`);
  return mutation(op, path, values.map(toJson).join(), options, false);
}

function counting(
  op: 'increment' | 'decrement',
  path: string,
  delta: bigint,
  options: CreatePathOptions,
): MutationSpec<bigint> {
  return mutation('counter', checkPath(path, op), String(delta), options, false);
}

function mutation<T>(
  op: MutationOp,
  path: string,
  value: string,
  options: CreatePathOptions,
  isMacro: boolean,
): MutationSpec<T> {
  checkOptions(options, CREATE_PATH_NAMES);
  const createsPath = isOn('createPath', options.createPath) && path !== '';
  return new MutationSpec(op, path, value, isXattr(path, options), createsPath, isMacro);
}

function checkDelta(delta: bigint | number): bigint {
  const given = typeof delta === 'number' && Number.isSafeInteger(delta) ? BigInt(delta) : delta;
  if (typeof given !== 'bigint' || given < 1n || given > LARGEST_DELTA)
    throw invalidArgument('delta', `delta is a whole number from 1 to 2^63 - 1, not ${shown(delta)}`);
  return given;
}
