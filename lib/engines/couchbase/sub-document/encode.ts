import { invalidArgument, shown } from '../../../arguments';
import type { LookupRequest, MutationRequest, PathRequest } from '../../../transactions/sub-document/request';
import {
  type LookupOp,
  LookupSpec,
  type MutationOp,
  MutationSpec,
} from '../../../transactions/sub-document/specs';

// The bodies of SUBDOC_MULTI_LOOKUP and SUBDOC_MULTI_MUTATION of kv_engine's protocol: for each spec its opcode, its flags, the
// length of its path, and of a mutation that of its value; then the path, and the value.
const LOOKUP_HEADER = 4;
const MUTATION_HEADER = 8;

const LOOKUP_CODES: Readonly<Record<LookupOp, number>> = { get: 0xc5, exists: 0xc6, count: 0xd2 };
const MUTATION_CODES: Readonly<Record<MutationOp, number>> = {
  insert: 0xc7,
  upsert: 0xc8,
  remove: 0xc9,
  replace: 0xca,
  arrayAppend: 0xcb,
  arrayPrepend: 0xcc,
  arrayInsert: 0xcd,
  arrayAddUnique: 0xce,
  counter: 0xcf,
};

/** Of the empty path, which says the document to them: opcodes of whole documents. */
const DOCUMENT_GET = 0x00;
const DOCUMENT_SET = 0x01;
const DOCUMENT_DELETE = 0x04;
const DOCUMENT_CODES: Readonly<Partial<Record<LookupOp | MutationOp, number>>> = {
  get: DOCUMENT_GET,
  upsert: DOCUMENT_SET,
  replace: DOCUMENT_SET,
  remove: DOCUMENT_DELETE,
};

const CREATE_PATH = 0x01;
const XATTR = 0x04;
const EXPAND_MACROS = 0x10;

const MOST_SPECS = 16;

export function encodeLookup(given: readonly LookupSpec<unknown>[]): LookupRequest {
  const ordered = order(given, LookupSpec, 'sub.get(), exists() or count()');
  const value = Buffer.concat(
    ordered.specs.map((spec) => {
      const path = Buffer.from(spec.path);
      const header = Buffer.alloc(LOOKUP_HEADER);
      header.writeUInt8(codeOf(spec, LOOKUP_CODES[spec.op]), 0);
      header.writeUInt8(spec.isXattr ? XATTR : 0, 1);
      header.writeUInt16BE(path.length, 2);
      return Buffer.concat([header, path]);
    }),
  );
  return { ...ordered, value };
}

export function encodeMutation(given: readonly MutationSpec<unknown>[]): MutationRequest {
  const ordered = order(given, MutationSpec, 'sub.insert(), upsert() and others that change something');
  const value = Buffer.concat(
    ordered.specs.map((spec) => {
      const path = Buffer.from(spec.path);
      const written = Buffer.from(spec.value);
      const header = Buffer.alloc(MUTATION_HEADER);
      header.writeUInt8(codeOf(spec, MUTATION_CODES[spec.op]), 0);
      header.writeUInt8(flagsOf(spec), 1);
      header.writeUInt16BE(path.length, 2);
      header.writeUInt32BE(written.length, 4);
      return Buffer.concat([header, path, written]);
    }),
  );
  return { ...ordered, value };
}

/** The server takes extended attributes before the rest of the document only. */
function order<Spec extends LookupSpec<unknown> | MutationSpec<unknown>>(
  given: readonly Spec[],
  kind: abstract new (...args: never[]) => Spec,
  makers: string,
): Omit<PathRequest<Spec>, 'value'> {
  if (!Array.isArray(given) || given.length === 0 || given.length > MOST_SPECS)
    throw invalidArgument(
      'specs',
      `specs is an array of 1 to ${MOST_SPECS} paths, not ${Array.isArray(given) ? `of ${given.length}` : shown(given)}`,
    );
  const specs = [...(given as readonly Spec[])];
  for (const [index, spec] of specs.entries())
    if (!(spec instanceof kind))
      throw invalidArgument('specs', `specs[${index}] is made by ${makers}, not ${shown(spec)}`);
  const places = specs.map((spec, position) => ({ spec, position }));
  const sent = [...places.filter(({ spec }) => spec.isXattr), ...places.filter(({ spec }) => !spec.isXattr)];
  return { specs: sent.map(({ spec }) => spec), positions: sent.map(({ position }) => position) };
}

function codeOf(spec: LookupSpec<unknown> | MutationSpec<unknown>, code: number): number {
  return spec.path === '' ? (DOCUMENT_CODES[spec.op] ?? code) : code;
}

function flagsOf({ isXattr, createsPath, isMacro }: MutationSpec<unknown>): number {
  return (createsPath ? CREATE_PATH : 0) | (isXattr ? XATTR : 0) | (isMacro ? EXPAND_MACROS : 0);
}
