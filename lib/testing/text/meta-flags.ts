import { expiry, uint32, uint64 } from './numbers';

/** What the flags of a meta command say, as far as it needs more than their letters. */
export interface MetaFlags {
  /** Letters with what stands behind them, in the order of the request, which is that of the answer. */
  readonly tokens: readonly string[];
  /** Bytes as latin1, decoded. */
  readonly key: string;
  readonly binaryKey: boolean;
  readonly quiet: boolean;
  readonly value: boolean;
  /** u: a fetch leaves no marks. */
  readonly unmarked: boolean;
  readonly invalidate: boolean;
  readonly emptied: boolean;
  readonly clientFlags: number;
  readonly cas: bigint | undefined;
  readonly newCas: bigint | undefined;
  /** M: '' for none. */
  readonly mode: string;
  readonly delta: bigint;
  readonly initial: bigint;
  /** T, N and R, as expiries of the protocol. */
  readonly expiry: number | undefined;
  readonly vivify: number | undefined;
  readonly recache: number | undefined;
  readonly opaque: string | undefined;
}

const KNOWN = new Set('bcfhklOqstuvENRTIMJDxCFPL');
const MAX_OPAQUE_TOKEN = 32;
const BAD_TOKEN = 'CLIENT_ERROR bad token in command line format';

/** Reads the flags of a command on `word`, its key; an error line for what memcached refuses. */
export function readFlags(word: string, tokens: readonly string[]): MetaFlags | string {
  const values = new Map<string, string>();
  // As in memcached the last of several errors is told, but an unknown or repeated flag at once.
  let error: string | undefined;
  const numbers = new Map<string, number>();
  const large = new Map<string, bigint>();
  for (const token of tokens) {
    const [letter = ''] = token;
    const value = token.slice(1);
    if (letter > '~' || values.has(letter)) return 'CLIENT_ERROR duplicate flag';
    if (!KNOWN.has(letter)) return 'CLIENT_ERROR invalid flag';
    values.set(letter, value);
    error = read(letter, value, word, numbers, large) ?? error;
  }
  if (error !== undefined) return error;
  const opaque = values.get('O');
  return {
    tokens,
    key: values.has('b') ? (fromBase64(word) ?? '') : word,
    binaryKey: values.has('b'),
    quiet: values.has('q'),
    value: values.has('v'),
    unmarked: values.has('u'),
    invalidate: values.has('I'),
    emptied: values.has('x'),
    clientFlags: numbers.get('F') ?? 0,
    cas: large.get('C'),
    newCas: large.get('E'),
    mode: values.get('M') ?? '',
    delta: large.get('D') ?? 1n,
    initial: large.get('J') ?? 0n,
    expiry: numbers.get('T'),
    vivify: numbers.get('N'),
    recache: numbers.get('R'),
    opaque,
  };
}

export function isOpaqueTooLong({ opaque }: MetaFlags): boolean {
  return opaque !== undefined && opaque.length + 1 > MAX_OPAQUE_TOKEN;
}

/** Notes the number behind a letter that has one; an error line where it has none. */
function read(
  letter: string,
  value: string,
  key: string,
  numbers: Map<string, number>,
  large: Map<string, bigint>,
): string | undefined {
  switch (letter) {
    case 'b':
      return fromBase64(key) === undefined ? 'CLIENT_ERROR error decoding key' : undefined;
    case 'T':
    case 'N':
    case 'R':
      return noted(numbers, letter, expiry(value), BAD_TOKEN);
    case 'F':
      return noted(numbers, letter, uint32(value), 'CLIENT_ERROR bad command line format');
    case 'C':
    case 'E':
      return noted(large, letter, uint64(value), BAD_TOKEN);
    case 'J':
      return noted(large, letter, uint64(value), 'CLIENT_ERROR invalid numeric initial value');
    case 'D':
      return noted(large, letter, uint64(value), 'CLIENT_ERROR invalid numeric delta value');
    case 'M':
      return value.length === 1 ? undefined : 'CLIENT_ERROR incorrect length for M token';
    default:
      return undefined;
  }
}

function noted<Value>(
  values: Map<string, Value>,
  letter: string,
  value: Value | undefined,
  error: string,
): string | undefined {
  if (value === undefined) return error;
  values.set(letter, value);
  return undefined;
}

/**
 * A key in base64, as bytes in latin1. As in memcached's decoder, what is not of its alphabet is passed over, and
 * nothing counts behind the group that is padded.
 */
export function fromBase64(text: string): string | undefined {
  const known = text.replace(/[^A-Za-z0-9+/=]/g, '');
  if (known.length === 0 || known.length % 4 !== 0) return undefined;
  const padded = known.indexOf('=');
  const used = padded < 0 ? known : known.slice(0, padded - (padded % 4) + 4);
  const padding = padded < 0 ? 0 : used.slice(-4).split('=').length - 1;
  if (padding > 2) return undefined;
  const bytes = Buffer.from(used.replaceAll('=', 'A'), 'base64');
  const key = bytes.toString('latin1', 0, bytes.length - padding);
  return key === '' ? undefined : key;
}

export function toBase64(key: string): string {
  return Buffer.from(key, 'latin1').toString('base64');
}
