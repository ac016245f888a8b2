import { damaged } from '../damage';

/** What this package has written down; StorageError, which names `what`, where that is nothing of the kind. */
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
