import type { Component } from './path';

/** A part of a text; `to` is exclusive. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A member or an element. The range of a member begins with its name. */
export interface Entry extends Range {
  readonly name: string | undefined;
  readonly value: Range;
}

/** Where a path leads in a text. */
export type Location =
  | {
      readonly kind: 'found';
      readonly value: Range;
      readonly parent: Range | undefined;
      readonly entry: Entry | undefined;
    }
  /** `container` exists and has no `components[depth]`. */
  | { readonly kind: 'missing'; readonly container: Range; readonly depth: number }
  /** A value on the path is not an object, or not an array, as the path needs. */
  | { readonly kind: 'mismatch' };

/** These functions read text that is known to be valid JSON. They work on the text itself, so numbers keep their digits. */

export function rootOf(text: string): Range {
  const from = skipSpace(text, 0);
  return { from, to: endOfValue(text, from) };
}

export function locate(text: string, components: readonly Component[]): Location {
  let value = rootOf(text);
  let parent: Range | undefined;
  let entry: Entry | undefined;
  for (const [depth, component] of components.entries()) {
    const isIndex = typeof component === 'number';
    if (text[value.from] !== (isIndex ? '[' : '{')) return { kind: 'mismatch' };
    const entries = entriesOf(text, value);
    const next = isIndex ? entries.at(component) : entries.findLast(({ name }) => name === component);
    if (next === undefined) return { kind: 'missing', container: value, depth };
    parent = value;
    entry = next;
    value = next.value;
  }
  return { kind: 'found', value, parent, entry };
}

/** The members or elements of an object or an array. */
export function entriesOf(text: string, container: Range): Entry[] {
  const isObject = text[container.from] === '{';
  const entries: Entry[] = [];
  let at = skipSpace(text, container.from + 1);
  while (at < container.to - 1) {
    const from = at;
    let name: string | undefined;
    if (isObject) {
      const end = endOfString(text, at);
      name = JSON.parse(text.slice(at, end)) as string;
      at = skipSpace(text, skipSpace(text, end) + 1);
    }
    const to = endOfValue(text, at);
    entries.push({ from, to, name, value: { from: at, to } });
    at = skipSpace(text, to);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return entries;
}

export function textOf(text: string, { from, to }: Range): string {
  return text.slice(from, to);
}

function endOfValue(text: string, from: number): number {
  const first = text[from];
  if (first === '"') return endOfString(text, from);
  let at = from;
  if (first !== '{' && first !== '[') {
    while (at < text.length && !/[\s,\]}]/.test(text[at] ?? '')) at += 1;
    return at;
  }
  for (let depth = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at) - 1;
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return at;
}

function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (/\s/.test(text[at] ?? '')) at += 1;
  return at;
}
