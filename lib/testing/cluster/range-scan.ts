import type { Document } from './document';
import type { VBucket } from './vbucket';

/** Which documents a scan returns. The bounds are keys without collection prefixes. */
export interface ScanWishes {
  readonly collection: number;
  readonly from: Buffer;
  readonly to: Buffer;
  readonly excludesFrom: boolean;
  readonly excludesTo: boolean;
  /** Maximum size of a sample; undefined: all documents. */
  readonly samples: number | undefined;
  readonly keysOnly: boolean;
}

/** A range scan over a snapshot of one vbucket, in key order. */
export class RangeScan {
  readonly partition: number;
  readonly keysOnly: boolean;
  readonly #documents: readonly Document[];
  #position = 0;

  /** `now`: seconds since the Unix epoch. */
  constructor(vbucket: VBucket, wishes: ScanWishes, now: number) {
    this.partition = vbucket.id;
    this.keysOnly = wishes.keysOnly;
    const found = [...vbucket.documents()].filter((document) => isWanted(document, wishes, now));
    found.sort((one, other) => Buffer.compare(one.key, other.key));
    this.#documents = found.slice(0, wishes.samples ?? found.length);
  }

  get isOver(): boolean {
    return this.#position === this.#documents.length;
  }

  /** The next documents, at most `most`. */
  take(most: number): readonly Document[] {
    const taken = this.#documents.slice(this.#position, this.#position + most);
    this.#position += taken.length;
    return taken;
  }
}

function isWanted(document: Document, wishes: ScanWishes, now: number): boolean {
  const { collection, deletion, expiry, key } = document;
  if (collection !== wishes.collection || deletion !== undefined) return false;
  if (expiry !== 0 && expiry <= now) return false;
  const afterStart = Buffer.compare(key, wishes.from);
  const afterEnd = Buffer.compare(key, wishes.to);
  return afterStart >= (wishes.excludesFrom ? 1 : 0) && afterEnd <= (wishes.excludesTo ? -1 : 0);
}
