import { MAX_RELATIVE_SECONDS } from './protocol';

/** Text of JSON by the first component of the path. */
export type Xattrs = ReadonlyMap<string, string>;

export const NO_XATTRS: Xattrs = new Map();

/** One version of a document. It is never changed, so that copies of a vbucket and answers under way may share it. */
export interface Document {
  readonly collection: number;
  readonly key: Buffer;
  readonly value: Buffer;
  readonly xattrs: Xattrs;
  readonly flags: number;
  /** Seconds since the Unix epoch; 0: never. */
  readonly expiry: number;
  readonly cas: bigint;
  readonly seqno: bigint;
  /** How many versions there have been of this key, with this one. */
  readonly revision: bigint;
  /** What is left of a document that was deleted: nothing but its system xattrs. */
  readonly deletion: 'deleted' | 'expired' | undefined;
  /** When it was deleted, seconds since the Unix epoch. */
  readonly deletedAt: number;
}

/** What is new about a version that is to be written. */
export type Draft = Pick<Document, 'collection' | 'key' | 'value' | 'xattrs' | 'flags' | 'expiry'> & {
  readonly deletion?: 'deleted' | 'expired' | undefined;
};

/** The name of a document within its vbucket: every sequence of bytes has one of its own. */
export function nameOf(collection: number, key: Buffer): string {
  return `${collection}/${key.toString('latin1')}`;
}

/** An expiry of the protocol as seconds since the Unix epoch. */
export function expiryAt(expiry: number, now: number): number {
  return expiry === 0 || expiry > MAX_RELATIVE_SECONDS ? expiry : now + expiry;
}

/** What is left of a document: xattrs of the system, whose names begin with an underscore, stay. */
export function deletionOf(
  document: Pick<Document, 'collection' | 'key' | 'xattrs'>,
  deletion: 'deleted' | 'expired',
): Draft {
  const { collection, key, xattrs } = document;
  const kept = new Map([...xattrs].filter(([name]) => name.startsWith('_')));
  return { collection, key, value: Buffer.alloc(0), xattrs: kept, flags: 0, expiry: 0, deletion };
}

const jsonness = new WeakMap<object, boolean>();

/** Whether the value is JSON, found out when it is first asked for. */
export function isJson(document: Pick<Document, 'value'>): boolean {
  let known = jsonness.get(document);
  if (known === undefined) {
    known = document.value.length > 0 && isJsonText(document.value.toString('utf8'));
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
