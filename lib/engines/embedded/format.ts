import { randomBytes } from 'node:crypto';
import { StorageError } from '../../errors';
import { peek, type Tree } from './lmdb';

/** Of the files as a whole: what this version reads and writes. */
const FORMAT = 1;
const FORMAT_KEY = Buffer.from('format');

export interface Format {
  readonly format: number;
  /** Random: positions of another database, or of this one before it was restored, are of another epoch. */
  readonly epoch: string;
}

/** In a write transaction unless it is only to be read. */
export function readFormat(
  meta: Tree,
  path: string,
  { readOnly, restored }: { readonly readOnly: boolean; readonly restored: boolean },
): Format {
  const stored = storedFormat(meta, path);
  if (stored !== undefined && (readOnly || !restored)) return stored;
  if (readOnly) throw new StorageError(`${path}: there is no database to read`);
  const format: Format = { format: FORMAT, epoch: randomBytes(6).toString('hex') };
  meta.putSync(FORMAT_KEY, Buffer.from(JSON.stringify(format)));
  return format;
}

function storedFormat(meta: Tree, path: string): Format | undefined {
  const stored = peek(meta, FORMAT_KEY);
  if (stored === undefined) return undefined;
  const format = JSON.parse(stored.toString()) as Format;
  if (format.format === FORMAT) return format;
  throw new StorageError(`${path}: the database has format ${format.format}, this version reads ${FORMAT}`);
}
