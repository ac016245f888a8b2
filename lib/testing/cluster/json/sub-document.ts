import { isJsonText } from '../document';
import { ClusterStatus as Status } from '../protocol';
import { Refusal } from '../refusal';
import { type Component, parsePath } from './path';
import { entriesOf, type Location, locate, type Range, rootOf, textOf } from './text';

export type LookupKind = 'get' | 'exists' | 'count';
export type MutationKind =
  | 'dictAdd'
  | 'dictUpsert'
  | 'delete'
  | 'replace'
  | 'arrayPushLast'
  | 'arrayPushFirst'
  | 'arrayInsert'
  | 'arrayAddUnique'
  | 'counter';

export interface Mutation {
  readonly kind: MutationKind;
  readonly path: string;
  /** JSON. For pushes also several values separated by commas. */
  readonly value: string;
  /** Creates missing parents of the path. */
  readonly createsPath: boolean;
}

/** The changed text, and the value that is returned to the client. */
export interface Mutated {
  readonly text: string;
  readonly result?: string;
}

const MAX_I64 = 2n ** 63n - 1n;
const MIN_I64 = -(2n ** 63n);

/** The text found; empty for `exists`. Throws a Refusal if there is none. */
export function lookUp(text: string, kind: LookupKind, path: string): string {
  const found = existing(locate(text, componentsOf(path)));
  const value = textOf(text, found.value);
  if (kind === 'get') return value;
  if (kind === 'exists') return '';
  if (!isContainer(value)) throw new Refusal(Status.pathMismatch);
  return String(entriesOf(text, found.value).length);
}

export function mutate(text: string, mutation: Mutation): Mutated {
  const { kind, value } = mutation;
  const components = componentsOf(mutation.path);
  switch (kind) {
    case 'dictAdd':
    case 'dictUpsert':
      return { text: setMember(text, components, mutation) };
    case 'replace':
      checkValue(value);
      if (components.length === 0) throw new Refusal(Status.pathInvalid);
      return { text: spliced(text, existing(locate(text, components)).value, value) };
    case 'delete':
      return { text: removed(text, components) };
    case 'arrayInsert':
      return { text: inserted(text, components, value) };
    case 'counter':
      return counted(text, components, mutation);
    default:
      return { text: pushed(text, components, mutation) };
  }
}

function componentsOf(path: string): Component[] {
  const components = parsePath(path);
  if (components === 'invalid') throw new Refusal(Status.pathInvalid);
  if (components === 'too deep') throw new Refusal(Status.pathTooBig);
  return components;
}

function existing(location: Location): Extract<Location, { kind: 'found' }> {
  if (location.kind === 'mismatch') throw new Refusal(Status.pathMismatch);
  if (location.kind === 'missing') throw new Refusal(Status.pathNotFound);
  return location;
}

function setMember(text: string, components: readonly Component[], mutation: Mutation): string {
  const { kind, value, createsPath } = mutation;
  checkValue(value);
  if (typeof components.at(-1) !== 'string') throw new Refusal(Status.pathInvalid);
  const location = locate(text, components);
  if (location.kind === 'mismatch') throw new Refusal(Status.pathMismatch);
  if (location.kind === 'missing') return created(text, components, location, value, createsPath);
  if (kind === 'dictAdd') throw new Refusal(Status.pathExists);
  return spliced(text, location.value, value);
}

/** Inserts the value with its missing parents. */
function created(
  text: string,
  components: readonly Component[],
  { container, depth }: { readonly container: Range; readonly depth: number },
  value: string,
  createsPath: boolean,
): string {
  const missing = components.slice(depth);
  if (missing.length > 1 && !createsPath) throw new Refusal(Status.pathNotFound);
  if (missing.some((component) => typeof component === 'number')) throw new Refusal(Status.pathNotFound);
  const [first = '', ...inner] = missing.map((component) => JSON.stringify(component));
  const nested = inner.reduceRight((made, name) => `{${name}:${made}}`, value);
  return withEntry(text, container, `${first}:${nested}`, 'last');
}

function removed(text: string, components: readonly Component[]): string {
  if (components.length === 0) throw new Refusal(Status.pathInvalid);
  const { parent, entry } = existing(locate(text, components));
  if (parent === undefined || entry === undefined) throw new Refusal(Status.pathInvalid);
  const entries = entriesOf(text, parent);
  const index = entries.findIndex(({ from }) => from === entry.from);
  const next = entries[index + 1];
  const before = entries[index - 1];
  // Also remove the comma after the entry or, for the last entry, before it.
  if (next !== undefined) return spliced(text, { from: entry.from, to: next.from }, '');
  return spliced(text, { from: before?.to ?? entry.from, to: entry.to }, '');
}

function pushed(text: string, components: readonly Component[], mutation: Mutation): string {
  const { kind, value, createsPath } = mutation;
  if (!isJsonText(`[${value}]`) || value.trim() === '') throw new Refusal(Status.cannotInsert);
  const isUnique = kind === 'arrayAddUnique';
  if (isUnique && (isContainer(value) || !isJsonText(value))) throw new Refusal(Status.cannotInsert);
  const location = locate(text, components);
  if (location.kind === 'mismatch') throw new Refusal(Status.pathMismatch);
  if (location.kind === 'missing') {
    if (!createsPath) throw new Refusal(Status.pathNotFound);
    return created(text, components, location, `[${value}]`, createsPath);
  }
  const array = location.value;
  if (text[array.from] !== '[') throw new Refusal(Status.pathMismatch);
  if (isUnique)
    for (const entry of entriesOf(text, array)) {
      const present = textOf(text, entry.value);
      if (isContainer(present)) throw new Refusal(Status.pathMismatch);
      if (JSON.parse(present) === JSON.parse(value)) throw new Refusal(Status.pathExists);
    }
  return withEntry(text, array, value, kind === 'arrayPushFirst' ? 'first' : 'last');
}

function inserted(text: string, components: readonly Component[], value: string): string {
  if (!isJsonText(`[${value}]`) || value.trim() === '') throw new Refusal(Status.cannotInsert);
  const index = components.at(-1);
  if (typeof index !== 'number' || index < 0) throw new Refusal(Status.pathInvalid);
  const array = existing(locate(text, components.slice(0, -1))).value;
  if (text[array.from] !== '[') throw new Refusal(Status.pathMismatch);
  const entries = entriesOf(text, array);
  if (index > entries.length) throw new Refusal(Status.pathNotFound);
  const next = entries[index];
  if (next === undefined) return withEntry(text, array, value, 'last');
  return spliced(text, { from: next.from, to: next.from }, `${value},`);
}

function counted(text: string, components: readonly Component[], mutation: Mutation): Mutated {
  const delta = /^-?\d{1,19}$/.test(mutation.value) ? BigInt(mutation.value) : 0n;
  if (delta === 0n || delta > MAX_I64 || delta < MIN_I64) throw new Refusal(Status.deltaInvalid);
  if (components.length === 0) throw new Refusal(Status.pathInvalid);
  const location = locate(text, components);
  if (location.kind === 'mismatch') throw new Refusal(Status.pathMismatch);
  if (location.kind === 'missing') {
    const result = String(delta);
    return { text: created(text, components, location, result, mutation.createsPath), result };
  }
  const present = textOf(text, location.value);
  if (!/^-?\d+$/.test(present)) throw new Refusal(Status.pathMismatch);
  const before = BigInt(present);
  if (before > MAX_I64 || before < MIN_I64) throw new Refusal(Status.numberRange);
  const after = before + delta;
  if (after > MAX_I64 || after < MIN_I64) throw new Refusal(Status.cannotInsert);
  return { text: spliced(text, location.value, String(after)), result: String(after) };
}

function withEntry(text: string, container: Range, entry: string, end: 'first' | 'last'): string {
  const isEmpty = entriesOf(text, container).length === 0;
  const at = end === 'first' || isEmpty ? container.from + 1 : container.to - 1;
  const both = isEmpty ? entry : end === 'first' ? `${entry},` : `,${entry}`;
  return spliced(text, { from: at, to: at }, both);
}

function spliced(text: string, { from, to }: Range, piece: string): string {
  return text.slice(0, from) + piece + text.slice(to);
}

function checkValue(value: string): void {
  if (!isJsonText(value)) throw new Refusal(Status.cannotInsert);
}

function isContainer(value: string): boolean {
  const first = value[rootOf(value).from];
  return first === '{' || first === '[';
}
