import type { Xattrs } from '../document';
import { entriesOf, rootOf, textOf } from './text';

/** All xattrs as the text of one object, so that xattr paths work on it. */
export function xattrsText(xattrs: Xattrs): string {
  return `{${[...xattrs].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`;
}

export function xattrsOf(text: string): Xattrs {
  const entries = entriesOf(text, rootOf(text));
  return new Map(entries.map(({ name = '', value }) => [name, textOf(text, value)]));
}
