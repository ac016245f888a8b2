import { checkFlag, invalidArgument, shown } from '../arguments';
import { type DocumentDetails, type Durability, documentDetails } from './documents';
import type { ExpiryOptions } from './expiry';
import type { Details } from './operation';
import type { Target } from './target';

export interface DurabilityOptions {
  /**
   * When the write is done; without it when the active copy has it in memory. The server is given nine tenths of the timeout, at least
   * 1500 ms. DurabilityAmbiguousError, DurabilityImpossibleError. UnsupportedError on engines that have no copies.
   */
  readonly durability?: Durability | undefined;
}

export interface PreserveExpiryOptions {
  /** true: a record that exists keeps its time to live. Default false. UnsupportedError on engines that cannot. */
  readonly preserveExpiry?: boolean | undefined;
}

/** Further options that the writes of an engine take. */
export interface WriteAdditions {
  /** Of all writes. */
  readonly write: unknown;
  /** Of those that may overwrite a record. */
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

/** Takes what is given of both. Throws UnsupportedError on engines without them. */
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
    if (preserveExpiry && (options.ttl !== undefined || options.expiresAt !== undefined))
      throw invalidArgument('preserveExpiry', 'preserveExpiry and a new time to live exclude each other');
  }
}

export function documentOf(detail: Details): DocumentDetails {
  detail.document ??= documentDetails();
  return detail.document;
}
