import { randomBytes } from 'node:crypto';
import { shown } from '../../arguments';
import { damaged } from '../../damage';
import { StorageError } from '../../errors';
import { peek, type Tree } from './lmdb';

/** The format version that this package reads and writes. */
const FORMAT = 1;
const FORMAT_KEY = Buffer.from('format');

export interface Format {
  readonly format: number;
  /** Random. Positions of another database, or of this one before it was restored, have another epoch. */
  readonly epoch: string;
  /** true: a backup that has not been written to yet. */
  readonly isCopy?: true;
}

/** Call in a write transaction unless the database is read-only. */
export function readFormat(
  meta: Tree,
  path: string,
  { readOnly, restored }: { readonly readOnly: boolean; readonly restored: boolean },
): Format {
  const stored = storedFormat(meta, path);
  if (stored !== undefined && (readOnly || !(restored || stored.isCopy))) return stored;
  if (readOnly) throw new StorageError(`${path}: there is no database to read`);
  return writeFormat(meta, { format: FORMAT, epoch: randomBytes(6).toString('hex') });
}

/** Call in a write transaction. From now on the copy and the original have separate histories. */
export function markAsCopy(meta: Tree): void {
  const stored = peek(meta, FORMAT_KEY);
  if (stored !== undefined) writeFormat(meta, { ...(JSON.parse(stored.toString()) as Format), isCopy: true });
}

function writeFormat(meta: Tree, format: Format): Format {
  meta.putSync(FORMAT_KEY, Buffer.from(JSON.stringify(format)));
  return format;
}

function storedFormat(meta: Tree, path: string): Format | undefined {
  const stored = peek(meta, FORMAT_KEY);
  if (stored === undefined) return undefined;
  let format: Format;
  try {
    format = JSON.parse(stored.toString()) as Format;
  } catch {
    throw damaged(`${path}: the note of its format`, { node: path });
  }
  if (format?.format === FORMAT) return format;
  throw new StorageError(
    `${path}: the database has format ${shown(format?.format)}, this version reads ${FORMAT}`,
  );
}
