import { shown } from '../../arguments';
import { excerpt } from '../../text';
import { arrayOf, integerOf, malformed, objectOf, optionalObject, parseDocument, textOf } from './json';
import type { RetrySpec } from './retry-policy';

export interface ErrorMapEntry {
  readonly name: string;
  readonly description: string;
  /** Including unknown ones. */
  readonly attributes: ReadonlySet<string>;
  readonly retry: RetrySpec | undefined;
}

/** A server's description of its statuses, for clients that do not know all of them. */
export interface ErrorMap {
  readonly version: number;
  readonly revision: number;
  readonly errors: ReadonlyMap<number, ErrorMapEntry>;
}

const MOST_ERRORS = 4096;
const MOST_ATTRIBUTES = 64;
const LARGEST = 0x7fffffff;
const STRATEGIES: readonly RetrySpec['strategy'][] = ['constant', 'linear', 'exponential'];

/** Parses the answer to GET_ERROR_MAP (kv_engine's ErrorMap.md). Throws ConnectionError. */
export function parseErrorMap(document: string | Uint8Array): ErrorMap {
  const map = parseDocument(document);
  const errors = Object.entries(objectOf(map.errors, 'errors'));
  if (errors.length > MOST_ERRORS) throw malformed(`more than ${MOST_ERRORS} errors`);
  return {
    version: integerOf(map.version, 'version', 1, LARGEST),
    revision: integerOf(map.revision, 'revision', 0, LARGEST),
    errors: new Map(
      errors.map(([status, entry]) => [statusOf(status), parseEntry(entry, `errors.${status}`)]),
    ),
  };
}

/** Of the error maps of a cluster's servers, the one with the highest revision is kept. */
export function newerErrorMap(some: ErrorMap, other: ErrorMap | undefined): ErrorMap {
  return other === undefined || some.revision > other.revision ? some : other;
}

function statusOf(text: string): number {
  if (!/^[0-9a-f]{1,4}$/i.test(text)) throw malformed(`errors has the key ${shown(text)}`);
  return Number.parseInt(text, 16);
}

function parseEntry(value: unknown, path: string): ErrorMapEntry {
  const { name, desc = '', attrs = [], retry } = objectOf(value, path);
  const attributes = arrayOf(attrs, `${path}.attrs`, MOST_ATTRIBUTES);
  return {
    name: excerpt(textOf(name, `${path}.name`)),
    description: excerpt(textOf(desc, `${path}.desc`), 200),
    attributes: new Set(attributes.map((each) => textOf(each, `${path}.attrs`))),
    retry: parseRetry(retry, `${path}.retry`),
  };
}

/** undefined if there is none, or if its strategy is unknown. */
function parseRetry(value: unknown, path: string): RetrySpec | undefined {
  const spec = optionalObject(value, path);
  if (spec === undefined) return undefined;
  const strategy = STRATEGIES.find((each) => each === String(spec.strategy).toLowerCase());
  if (strategy === undefined) return undefined;
  const read = (name: string, otherwise?: number): number =>
    integerOf(spec[name] ?? otherwise, `${path}.${name}`, 0, LARGEST);
  return {
    strategy,
    after: read('after', 0),
    interval: read('interval'),
    ceiling: read('ceil', 0),
    longest: read('max-duration', 0),
  };
}
