import { checkFlag, invalidArgument, shown } from '../arguments';
import { type DocumentDetails, type Durability, documentDetails } from './documents';
import { type ExpiryOptions, hasExpiry } from './expiry';
import type { Details } from './operation';
import type { Target } from './target';

export interface DurabilityOptions {
  /**
   * When the write is complete. Default: when the active copy has it in memory. The server gets nine tenths of the
   * timeout, but at least 1500 ms. May reject with DurabilityAmbiguousError or DurabilityImpossibleError.
   * UnsupportedError on engines without copies.
   */
  readonly durability?: Durability | undefined;
}

export interface PreserveExpiryOptions {
  /**
   * true: an existing record keeps its time to live. Default false. UnsupportedError on engines without this feature.
   */
  readonly preserveExpiry?: boolean | undefined;
}

/** Additional options of an engine's writes. */
export interface WriteAdditions {
  /** Options of all writes. */
  readonly write: unknown;
  /** Options of writes that may overwrite a record. */
  readonly overwrite: unknown;
}

export interface DurableWrites extends WriteAdditions {
  readonly write: DurabilityOptions;
  readonly overwrite: DurabilityOptions & PreserveExpiryOptions;
}

const LEVELS: ReadonlySet<unknown> = new Set<Durability>([
  'majority',
  'majorityAndPersistActive',
  'persistToMajority',
]);

/** Applies the given options of both kinds. Throws UnsupportedError on engines without them. */
export function durably(
  options: DurabilityOptions & PreserveExpiryOptions & ExpiryOptions,
  detail: Details,
  target: Target,
): void {
  const { durability, preserveExpiry } = options;
  if (durability === undefined && preserveExpiry === undefined) return;
  const document = documentOf(detail);
  if (durability !== undefined) {
    target.documents('durable writes (durability)');
    if (!LEVELS.has(durability))
      throw invalidArgument(
        'durability',
        `durability is ${[...LEVELS].map((each) => `'${each}'`).join(', ')}, not ${shown(durability)}`,
      );
    document.durability = durability;
  }
  if (preserveExpiry !== undefined) {
    target.documents('writes that keep the time to live (preserveExpiry)');
    document.preservesExpiry = checkFlag('preserveExpiry', preserveExpiry);
    if (preserveExpiry && hasExpiry(options))
      throw invalidArgument('preserveExpiry', 'preserveExpiry and a new time to live exclude each other');
  }
}

export function documentOf(detail: Details): DocumentDetails {
  detail.document ??= documentDetails();
  return detail.document;
}
