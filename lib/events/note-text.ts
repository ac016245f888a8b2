import { damaged } from '../damage';

/** Parses a text that this package has stored. Throws StorageError naming `what` when the text is invalid. */
export function parseNote<T>(text: string, isNote: (value: unknown) => value is T, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged(what);
  }
  if (!isNote(value)) throw damaged(what);
  return value;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

export const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);
