import { shown } from '../../arguments';
import { ConnectionError } from '../../errors';
import { isHost } from '../addresses';

export type JsonObject = Readonly<Record<string, unknown>>;

/** In bytes; many times the largest configuration of a real cluster. */
const LARGEST_DOCUMENT = 10 << 20;
const DEEPEST = 64;
/** A double holds every integer of so many digits exactly. */
const SAFE_DIGITS = 15;
const LONGEST_INTEGER = 20;

/**
 * Parses a JSON object from a server. Integers of more than 15 digits become strings, for bigintOf(), so that no digit
 * is lost. Throws ConnectionError if it is not a JSON object, larger than 10 MiB or nested deeper than 64 levels.
 */
export function parseDocument(document: string | Uint8Array): JsonObject {
  checkSize(document);
  const text =
    typeof document === 'string'
      ? document
      : Buffer.from(document.buffer, document.byteOffset, document.length).toString();
  const exact = quoteLongIntegers(text);
  let value: unknown;
  try {
    value = JSON.parse(exact);
  } catch {
    throw malformed(`not JSON: ${shown(text)}`);
  }
  return objectOf(value, 'the document');
}

/** To be called before any other work on the document. Throws ConnectionError. */
export function checkSize(document: string | Uint8Array): void {
  if (document.length > LARGEST_DOCUMENT) throw malformed(`more than ${LARGEST_DOCUMENT} bytes`);
}

export function malformed(why: string): ConnectionError {
  return new ConnectionError(`malformed document from the server: ${why}`);
}

export function unexpected(path: string, expected: string, value: unknown): ConnectionError {
  return malformed(`${path} is ${expected}, not ${shown(value)}`);
}

export function objectOf(value: unknown, path: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unexpected(path, 'an object', value);
  return value as JsonObject;
}

/** As objectOf(); undefined if there is no value. */
export function optionalObject(value: unknown, path: string): JsonObject | undefined {
  return value === undefined ? undefined : objectOf(value, path);
}

export function arrayOf(value: unknown, path: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) throw unexpected(path, 'an array', value);
  if (value.length > most) throw malformed(`${path} has ${value.length} elements, more than ${most}`);
  return value;
}

export function textOf(value: unknown, path: string): string {
  if (typeof value !== 'string') throw unexpected(path, 'text', value);
  return value;
}

export function hostOf(value: unknown, path: string): string {
  if (!isHost(value)) throw unexpected(path, 'a host', value);
  return value;
}

export function integerOf(value: unknown, path: string, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
    throw unexpected(path, `a whole number from ${least} to ${most}`, value);
  return value;
}

/** An integer of a document of parseDocument(). */
export function bigintOf(value: unknown, path: string, least: bigint, most: bigint): bigint {
  const number = exactOf(value);
  if (number === undefined || number < least || number > most)
    throw unexpected(path, `a whole number from ${least} to ${most}`, value);
  return number;
}

function exactOf(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value !== 'string' || value.length > LONGEST_INTEGER || !/^-?\d+$/.test(value)) return undefined;
  return BigInt(value);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * JSON.parse() would round them, and the reviver of Node 20 does not see the digits. A loop, because a regular
 * expression would take quadratic time on hostile text.
 */
function quoteLongIntegers(text: string): string {
  const parts: string[] = [];
  let taken = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
    else if (isOfNumber(code)) {
      const end = endOfNumber(text, at);
      if (end - at > SAFE_DIGITS && isInteger(text, at, end)) {
        parts.push(text.slice(taken, at), '"', text.slice(at, end), '"');
        taken = end;
      }
      at = end - 1;
    }
    if (depth > DEEPEST) throw malformed(`more than ${DEEPEST} levels`);
  }
  return taken === 0 ? text : parts.join('') + text.slice(taken);
}

function endOfString(text: string, begin: number): number {
  for (let at = begin + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at += 1;
  }
  return text.length;
}

function endOfNumber(text: string, begin: number): number {
  let at = begin;
  while (at < text.length && isOfNumber(text.charCodeAt(at))) at += 1;
  return at;
}

function isInteger(text: string, begin: number, end: number): boolean {
  const isNegative = text[begin] === '-';
  for (let at = isNegative ? begin + 1 : begin; at < end; at += 1)
    if (!isDigit(text.charCodeAt(at))) return false;
  // Leading zeros are left for JSON.parse() to refuse.
  return text[isNegative ? begin + 1 : begin] !== '0';
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** A digit, or one of `+-.eE`. */
const isOfNumber = (code: number): boolean =>
  isDigit(code) || code === 0x2b || code === 0x2d || code === 0x2e || code === 0x45 || code === 0x65;
