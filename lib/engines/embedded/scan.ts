import { checkOptions, invalidArgument, shown } from '../../arguments';
import { ValidationError } from '../../errors';
import type { Field } from '../../schema/field';
import { validateValue } from '../../schema/validate';
import type { ClassStore, IndexStore } from './class-store';
import type { KeyCodec } from './key-codec';
import { latin1 } from './latin1';
import { inSnapshot, type Snapshot } from './lmdb';
import type { Overlay } from './overlay';
import type { Stored } from './record-codec';

/** Records of a class between two keys of an index, or of the primary key. */
export interface Range {
  readonly index: IndexStore | undefined;
  /** The first key (inclusive) and the last key (exclusive); undefined: unbounded. */
  readonly start: Buffer | undefined;
  readonly end: Buffer | undefined;
  readonly reverse: boolean;
  readonly limit: number;
}

const BOUNDS = ['equals', 'from', 'after', 'to', 'before'] as const;
const NAMES: ReadonlySet<string> = new Set(['index', ...BOUNDS, 'reverse', 'limit']);

/** The range for the options of find(). Throws InvalidArgumentError (`options`, `index`, …) for invalid options. */
export function rangeOf(store: ClassStore, given: unknown): Range {
  const options = checkOptions(given, NAMES);
  const { index: name, reverse = false, limit = Number.MAX_SAFE_INTEGER } = options;
  const index = name === undefined ? undefined : store.index(name as string);
  if (name !== undefined && index === undefined)
    throw invalidArgument('index', `index: ${store.name} has no index ${shown(name)}`);
  if (typeof reverse !== 'boolean')
    throw invalidArgument('reverse', `reverse is true or false, not ${shown(reverse)}`);
  if (!Number.isSafeInteger(limit) || (limit as number) < 0)
    throw invalidArgument('limit', `limit is an integer, 0 or more, not ${shown(limit)}`);
  const fields = index === undefined ? store.keyNames : index.index.fields.map(({ field }) => field);
  const codec = index?.codec ?? store.key;
  const bound = (which: (typeof BOUNDS)[number]): Buffer | undefined =>
    which in options ? boundOf(store, codec, fields, which, options[which]) : undefined;
  const [equals, from, after, to, before] = BOUNDS.map(bound);
  if (index?.index.type === 'hash' && equals === undefined)
    throw invalidArgument('equals', `equals: the index ${name} finds equal values only`);
  exclude('equals', equals, { from, after, to, before });
  exclude('from', from, { after });
  exclude('to', to, { before });
  const behind = after && successor(after);
  return {
    index,
    start: equals ?? from ?? behind,
    end: (equals && successor(equals)) ?? (to && successor(to)) ?? before,
    reverse,
    // Nothing follows the last possible key.
    limit: after !== undefined && behind === undefined ? 0 : (limit as number),
  };
}

function boundOf(
  store: ClassStore,
  codec: KeyCodec,
  fields: readonly string[],
  which: string,
  given: unknown,
): Buffer {
  const { fields: types } = store.definition;
  // An explicit undefined is probably a missing value; it must not match everything.
  const isAbsence = which === 'equals' && types[fields[0] as string]?.kind === 'optional';
  if (given === undefined && !isAbsence)
    throw invalidArgument(
      which,
      `${which} is undefined, which bounds nothing: leave it out to find everything`,
    );
  const values = Array.isArray(given) ? given : [given];
  if (values.length === 0 || values.length > fields.length)
    throw invalidArgument(which, `${which} has values of ${fields.join(', ')}, from the first on`);
  return codec.encode(
    values.map((value, i) => {
      const name = fields[i] as string;
      if (value === undefined && types[name]?.kind !== 'optional')
        throw new ValidationError(`${store.name}: ${name} is missing`, { context: { path: name } });
      return validateValue(store.name, name, types[name] as Field, value);
    }),
  );
}

function exclude(name: string, given: Buffer | undefined, others: Record<string, Buffer | undefined>): void {
  if (given === undefined) return;
  for (const [other, value] of Object.entries(others))
    if (value !== undefined) throw invalidArgument(other, `${name} and ${other} exclude each other`);
}

/** The smallest key that is larger than all keys with this prefix; undefined when there is none. */
function successor(prefix: Buffer): Buffer | undefined {
  const bytes = Buffer.from(prefix);
  for (let i = bytes.length - 1; i >= 0; i -= 1) {
    if (bytes[i] === 0xff) continue;
    bytes[i] = (bytes[i] as number) + 1;
    return bytes.subarray(0, i + 1);
  }
  return undefined;
}

/** Yields records in order, reading on demand; leaving the loop releases its resources. */
export function* scan(
  store: ClassStore,
  range: Range,
  now: number,
  snapshot: Snapshot | undefined,
  overlay: Overlay | undefined,
): Generator<Stored> {
  const written = overlay?.writesOf(store);
  // A copy of the current state: records written during the loop are not found any more.
  const entries = written && new Map(written.entries);
  const stored = written?.isCleared ? [] : storedIn(store, range, now, snapshot, entries);
  if (entries === undefined) {
    let left = range.limit;
    if (left === 0) return;
    for (const each of stored) {
      yield each.stored;
      left -= 1;
      if (left === 0) return;
    }
    return;
  }
  const ours = writtenIn(store, range, entries);
  let left = range.limit;
  for (const each of merge(stored, ours, range.reverse)) {
    if (left === 0) return;
    left -= 1;
    yield each;
  }
}

interface Positioned {
  readonly position: Uint8Array;
  readonly stored: Stored;
}

function* storedIn(
  store: ClassStore,
  { index, start, end, reverse }: Range,
  now: number,
  snapshot: Snapshot | undefined,
  written: ReadonlyMap<string, unknown> | undefined,
): Generator<Positioned> {
  const tree = index === undefined ? store.records : index.tree;
  const options = { ...bounds(start, end, reverse), ...inSnapshot(tree, snapshot) };
  for (const { key: position, value } of tree.getRange(options)) {
    if (reverse && end !== undefined && Buffer.compare(position, end) >= 0) continue;
    const primary = index === undefined ? position : value;
    if (written?.has(latin1(primary))) continue;
    const stored =
      index === undefined
        ? store.decode(
            Buffer.from(value.buffer, value.byteOffset, value.byteLength),
            value.byteLength,
            position,
          )
        : store.read(primary, snapshot);
    if (stored === undefined || (stored.expiresAt !== undefined && stored.expiresAt <= now)) continue;
    yield { position, stored };
  }
}

/**
 * The bounds in the form of the lmdb package: a reverse range starts at the larger key (inclusive) and ends before the
 * smaller.
 */
function bounds(start: Buffer | undefined, end: Buffer | undefined, reverse: boolean) {
  if (!reverse) return { start, end };
  return { start: end, end: start, reverse: true, inclusiveEnd: true };
}

function writtenIn(
  store: ClassStore,
  { index, start, end, reverse }: Range,
  entries: ReadonlyMap<string, { readonly key: Buffer; readonly current: Stored | undefined }>,
): Positioned[] {
  const found: Positioned[] = [];
  for (const { key, current } of entries.values()) {
    if (current === undefined) continue;
    const position = index === undefined ? key : store.indexKey(index, current.record, key);
    if (start !== undefined && Buffer.compare(position, start) < 0) continue;
    if (end !== undefined && Buffer.compare(position, end) >= 0) continue;
    found.push({ position, stored: { ...current, record: store.copyOf(current.record) } });
  }
  found.sort((a, b) => Buffer.compare(a.position, b.position));
  return reverse ? found.reverse() : found;
}

function* merge(
  stored: Iterable<Positioned>,
  ours: readonly Positioned[],
  reverse: boolean,
): Generator<Stored> {
  let next = 0;
  for (const each of stored) {
    for (let own = ours[next]; own !== undefined; own = ours[next]) {
      const order = Buffer.compare(own.position, each.position);
      if (reverse ? order < 0 : order > 0) break;
      yield own.stored;
      next += 1;
    }
    yield each.stored;
  }
  for (; next < ours.length; next += 1) yield (ours[next] as Positioned).stored;
}
