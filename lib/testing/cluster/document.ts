import { MAX_RELATIVE_SECONDS } from './protocol';

/** JSON texts by name. */
export type Xattrs = ReadonlyMap<string, string>;

export const NO_XATTRS: Xattrs = new Map();

/** One version of a document. It is immutable: copies of a vbucket and responses share it. */
export interface Document {
  /** Unique within its vbucket; see `nameOf`. */
  readonly name: string;
  readonly collection: number;
  readonly key: Buffer;
  readonly value: Buffer;
  readonly xattrs: Xattrs;
  readonly flags: number;
  /** Seconds since the Unix epoch; 0: never. */
  readonly expiry: number;
  readonly cas: bigint;
  readonly seqno: bigint;
  /** Number of versions of this key, this one included. */
  readonly revision: bigint;
  /** Set if this is a tombstone, which keeps only system xattrs. */
  readonly deletion: 'deleted' | 'expired' | undefined;
  /** Seconds since the Unix epoch; 0 if not deleted. */
  readonly deletedAt: number;
}

/** The contents of a version to be written. */
export type Draft = Pick<
  Document,
  'name' | 'collection' | 'key' | 'value' | 'xattrs' | 'flags' | 'expiry'
> & {
  readonly deletion?: 'deleted' | 'expired' | undefined;
};

/** The name of a document within its vbucket; it is unique for each key. */
export function nameOf(collection: number, key: Buffer): string {
  return `${collection}/${key.toString('latin1')}`;
}

/** An expiry of the protocol as seconds since the Unix epoch. */
export function expiryAt(expiry: number, now: number): number {
  return expiry === 0 || expiry > MAX_RELATIVE_SECONDS ? expiry : now + expiry;
}

/** The tombstone of a document. It keeps system xattrs, whose names begin with an underscore. */
export function deletionOf(
  document: Pick<Document, 'name' | 'collection' | 'key' | 'xattrs'>,
  deletion: 'deleted' | 'expired',
): Draft {
  const { name, collection, key, xattrs } = document;
  const kept = new Map([...xattrs].filter(([xattr]) => xattr.startsWith('_')));
  return { name, collection, key, value: Buffer.alloc(0), xattrs: kept, flags: 0, expiry: 0, deletion };
}

/** Most values that are not JSON differ in the first byte, and an exception costs a multiple of this test. */
const BEGINS_JSON = /^[\s{["\-\dtfn]/;

const jsonness = new WeakMap<object, boolean>();

/** Whether the value is JSON. The result is cached. */
export function isJson(document: Pick<Document, 'value'>): boolean {
  let known = jsonness.get(document);
  if (known === undefined) {
    known =
      BEGINS_JSON.test(document.value.toString('latin1', 0, 1)) &&
      isJsonText(document.value.toString('utf8'));
    jsonness.set(document, known);
  }
  return known;
}

export function isJsonText(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
