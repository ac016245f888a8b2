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

/** What a path refers to. */
export interface PathOptions {
  /** true: the extended attributes of the document instead of its content. Default false. */
  readonly xattr?: boolean | undefined;
}

/** How to write to a path that may not exist. */
export interface CreatePathOptions extends PathOptions {
  /** true: creates missing objects along the path. Default false. */
  readonly createPath?: boolean | undefined;
}

const PATH_NAMES = optionNames<PathOptions>({ xattr: true });
const CREATE_PATH_NAMES = optionNames<CreatePathOptions>({ xattr: true, createPath: true });

/** A path to read, created by `sub`. Can be used any number of times. */
export class LookupSpec<T> {
  /** For the compiler only: the type of the value found. */
  declare protected readonly found: T;

  constructor(
    readonly op: LookupOp,
    readonly path: string,
    readonly isXattr: boolean,
  ) {}
}

/** A change of a path, created by `sub`. Can be used any number of times. */
export class MutationSpec<T> {
  /** For the compiler only: the type of the answer. */
  declare protected readonly answered: T;

  constructor(
    readonly op: MutationOp,
    readonly path: string,
    /** JSON; several values to add to an array are separated by commas. Empty if there is none. */
    readonly value: string,
    readonly isXattr: boolean,
    readonly createsPath: boolean,
    /** true: the value is a macro, which the server replaces. */
    readonly isMacro: boolean,
  ) {}
}

/** The types of the values that lookups find, by their specs. */
export type FoundBy<Specs extends readonly LookupSpec<unknown>[]> = {
  -readonly [I in keyof Specs]: Specs[I] extends LookupSpec<infer T> ? T : never;
};

/** The types of the answers to mutations, by their specs. */
export type AnsweredBy<Specs extends readonly MutationSpec<unknown>[]> = {
  -readonly [I in keyof Specs]: Specs[I] extends MutationSpec<infer T> ? T : never;
};

/** A placeholder for a value in an extended attribute, which the server replaces with a property of the mutation. */
export class Macro {
  constructor(readonly name: string) {}
}

const LARGEST_DELTA = 0x7fffffffffffffffn;

/**
 * Paths in JSON documents, for lookupIn() and mutateIn(). A path consists of names separated by dots and indexes in
 * brackets: `orders[0].lines`; `[-1]` is the last element. Names with other characters are enclosed in backticks. The
 * empty path is the whole document, which may be an array. A bad argument throws InvalidArgumentError.
 */
export const sub = {
  /** The value at the path; undefined when there is none. For the empty path, the document. */
  get<T = unknown>(path: string, options: PathOptions = {}): LookupSpec<T | undefined> {
    return new LookupSpec('get', checkPath(path), isXattrOf(path, options));
  },

  exists(path: string, options: PathOptions = {}): LookupSpec<boolean> {
    return new LookupSpec('exists', checkPath(path, 'exists'), isXattrOf(path, options));
  },

  /** The number of elements of an array or entries of an object; undefined when there is none. */
  count(path: string, options: PathOptions = {}): LookupSpec<number | undefined> {
    return new LookupSpec('count', checkPath(path), isXattrOf(path, options));
  },

  /** Writes a new entry; PathExistsError when it exists. */
  insert(path: string, value: unknown, options: CreatePathOptions = {}): MutationSpec<undefined> {
    return storing('insert', checkPath(path, 'insert'), value, options);
  },

  /** Writes an entry, whether or not it exists. For the empty path, the document. */
  upsert(path: string, value: unknown, options: CreatePathOptions = {}): MutationSpec<undefined> {
    return storing('upsert', checkPath(path), value, options);
  },

  /** Writes an existing entry or element; PathNotFoundError when there is none. For the empty path, the document. */
  replace(path: string, value: unknown, options: PathOptions = {}): MutationSpec<undefined> {
    checkOptions(options, PATH_NAMES);
    return storing('replace', checkPath(path), value, options);
  },

  /** Removes an entry or element; PathNotFoundError when there is none. For the empty path, the document. */
  remove(path: string, options: PathOptions = {}): MutationSpec<undefined> {
    return new MutationSpec('remove', checkPath(path), '', isXattrOf(path, options), false, false);
  },

  /** Appends the elements of `values` to an array. */
  arrayAppend(
    path: string,
    values: readonly unknown[],
    options: CreatePathOptions = {},
  ): MutationSpec<undefined> {
    return adding('arrayAppend', checkPath(path), values, options);
  },

  /** Prepends the elements of `values` to an array. */
  arrayPrepend(
    path: string,
    values: readonly unknown[],
    options: CreatePathOptions = {},
  ): MutationSpec<undefined> {
    return adding('arrayPrepend', checkPath(path), values, options);
  },

  /** Inserts the elements of `values` before the one at the path: `tags[2]`. */
  arrayInsert(path: string, values: readonly unknown[], options: PathOptions = {}): MutationSpec<undefined> {
    checkOptions(options, PATH_NAMES);
    return adding('arrayInsert', checkPath(path, 'arrayInsert'), values, options);
  },

  /** Adds a string, number, boolean or null to an array that does not contain it; otherwise PathExistsError. */
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

  /** Adds `delta`, from 1 to 2^63 - 1, to a number and answers the new value. A missing number starts at 0. */
  increment(
    path: string,
    delta: bigint | number = 1n,
    options: CreatePathOptions = {},
  ): MutationSpec<bigint> {
    return counting('increment', path, checkDelta(delta), options);
  },

  /** Subtracts from a number and answers the new value, which may be negative. */
  decrement(
    path: string,
    delta: bigint | number = 1n,
    options: CreatePathOptions = {},
  ): MutationSpec<bigint> {
    return counting('decrement', path, -checkDelta(delta), options);
  },

  /** The record's new version, in hexadecimal. Like all macros, for extended attributes only. */
  mutationCas: new Macro('Mutation.CAS'),
  /** The sequence number of the mutation. */
  mutationSequence: new Macro('Mutation.seqno'),
  /** The CRC-32C of the record's new value. */
  valueChecksum: new Macro('Mutation.value_crc32c'),
} as const;

const LONGEST_PATH = 1024;

/** `op`: the operation, if it does not accept the empty path. */
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
