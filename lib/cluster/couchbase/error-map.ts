import { excerpt } from '../../text';
import { arrayOf, integerOf, notUnderstood, objectOf, optionalObject, parseDocument, textOf } from './json';
import type { RetrySpec } from './retry-policy';

export interface ErrorMapEntry {
  readonly name: string;
  readonly description: string;
  /** Also those that nobody here knows. */
  readonly attributes: ReadonlySet<string>;
  readonly retry: RetrySpec | undefined;
}

/** What a server says of its statuses, for clients that do not know them all. */
export interface ErrorMap {
  readonly version: number;
  readonly revision: number;
  readonly errors: ReadonlyMap<number, ErrorMapEntry>;
}

const MOST_ERRORS = 4096;
const MOST_ATTRIBUTES = 64;
const LARGEST = 0x7fffffff;
const STRATEGIES: readonly RetrySpec['strategy'][] = ['constant', 'linear', 'exponential'];

/** What GET_ERROR_MAP answers (kv_engine's ErrorMap.md), of version 1 or 2. Throws ConnectionError for what is none. */
export function parseErrorMap(document: string | Uint8Array): ErrorMap {
  const map = parseDocument(document);
  const errors = Object.entries(objectOf(map.errors, 'errors'));
  if (errors.length > MOST_ERRORS) throw notUnderstood(`errors has more than ${MOST_ERRORS} statuses`);
  return {
    version: integerOf(map.version, 'version', 1, LARGEST),
    revision: integerOf(map.revision, 'revision', 0, LARGEST),
    errors: new Map(
      errors.map(([status, entry]) => [statusOf(status), parseEntry(entry, `errors.${status}`)]),
    ),
  };
}

/** The one to be kept of those that the servers of a cluster tell. */
export function newerErrorMap(some: ErrorMap, other: ErrorMap | undefined): ErrorMap {
  return other === undefined || some.revision > other.revision ? some : other;
}

function statusOf(text: string): number {
  if (!/^[0-9a-f]{1,4}$/i.test(text)) throw notUnderstood(`errors has a status ${excerpt(text)}`);
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

/** One of a strategy that nobody here knows is as good as none. */
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
