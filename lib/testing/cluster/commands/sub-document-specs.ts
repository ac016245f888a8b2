import type { Frame } from '../frame';
import type { LookupKind, MutationKind } from '../json/sub-document';
import { ClusterOpcode as Op, ClusterStatus as Status } from '../protocol';
import { invalid, Refusal } from '../refusal';

/** Maximum number of specs in a request. */
const MOST_SPECS = 16;

export const PathFlag = { createPath: 0x01, xattr: 0x04, expandMacros: 0x10, binary: 0x20 } as const;
export const DocumentFlag = {
  create: 0x01,
  add: 0x02,
  accessDeleted: 0x04,
  createAsDeleted: 0x08,
  revive: 0x10,
  replicaRead: 0x20,
} as const;

const LOOKUPS: ReadonlyMap<number, LookupKind | 'document'> = new Map([
  [Op.subdocGet, 'get'],
  [Op.subdocExists, 'exists'],
  [Op.subdocGetCount, 'count'],
  [Op.get, 'document'],
]);

type DocumentMutation = 'setDocument' | 'deleteDocument' | 'bodyFromXattr';

const MUTATIONS: ReadonlyMap<number, MutationKind | DocumentMutation> = new Map([
  [Op.subdocDictAdd, 'dictAdd'],
  [Op.subdocDictUpsert, 'dictUpsert'],
  [Op.subdocDelete, 'delete'],
  [Op.subdocReplace, 'replace'],
  [Op.subdocArrayPushLast, 'arrayPushLast'],
  [Op.subdocArrayPushFirst, 'arrayPushFirst'],
  [Op.subdocArrayInsert, 'arrayInsert'],
  [Op.subdocArrayAddUnique, 'arrayAddUnique'],
  [Op.subdocCounter, 'counter'],
  [Op.set, 'setDocument'],
  [Op.delete, 'deleteDocument'],
  [Op.subdocReplaceBodyWithXattr, 'bodyFromXattr'],
]);

export interface LookupSpec {
  readonly kind: LookupKind | 'document';
  readonly flags: number;
  readonly path: string;
}

export interface MutationSpec {
  readonly kind: MutationKind | DocumentMutation;
  readonly flags: number;
  readonly path: string;
  readonly value: Buffer;
}

/** Options for the whole document. `expiry` is undefined if the request has none. */
export interface Wrapping {
  readonly flags: number;
  readonly expiry: number | undefined;
}

/** Extras of a request with several specs: an expiry, flags, both or none. */
export function wrappingOf(extras: Buffer, mayExpire: boolean): Wrapping {
  const hasExpiry = extras.length >= 4;
  const expected = (hasExpiry ? 4 : 0) + (extras.length % 4 === 1 ? 1 : 0);
  if (extras.length !== expected || (hasExpiry && !mayExpire))
    throw invalid('The extras are not those of the command');
  return {
    expiry: hasExpiry ? extras.readUInt32BE(0) : undefined,
    flags: extras.length % 4 === 1 ? extras.readUInt8(extras.length - 1) : 0,
  };
}

export function lookupSpecs(body: Buffer): LookupSpec[] {
  const specs: LookupSpec[] = [];
  for (let at = 0; at < body.length; ) {
    if (at + 4 > body.length) throw invalid('A spec ends in the middle');
    const kind = LOOKUPS.get(body.readUInt8(at));
    const length = body.readUInt16BE(at + 2);
    if (kind === undefined || at + 4 + length > body.length) throw new Refusal(Status.invalidCombination);
    const path = body.toString('utf8', at + 4, at + 4 + length);
    specs.push({ kind, flags: body.readUInt8(at + 1), path });
    at += 4 + length;
  }
  return checked(specs);
}

export function mutationSpecs(body: Buffer): MutationSpec[] {
  const specs: MutationSpec[] = [];
  for (let at = 0; at < body.length; ) {
    if (at + 8 > body.length) throw invalid('A spec ends in the middle');
    const kind = MUTATIONS.get(body.readUInt8(at));
    const pathLength = body.readUInt16BE(at + 2);
    const valueLength = body.readUInt32BE(at + 4);
    const valueStart = at + 8 + pathLength;
    if (kind === undefined || valueStart + valueLength > body.length)
      throw new Refusal(Status.invalidCombination);
    specs.push({
      kind,
      flags: body.readUInt8(at + 1),
      path: body.toString('utf8', at + 8, valueStart),
      value: body.subarray(valueStart, valueStart + valueLength),
    });
    at = valueStart + valueLength;
  }
  return checked(specs);
}

/** The one spec of a request with a single path, and what its extras say of the document. */
export function singleSpec(request: Frame): Wrapping & { readonly spec: MutationSpec & LookupSpec } {
  const extras = request.extras();
  if (extras.length < 3 || extras.length > 8 || extras.length === 5 || extras.length === 6)
    throw invalid('The extras are not those of the command');
  const pathLength = extras.readUInt16BE(0);
  const body = request.value();
  if (pathLength > body.length) throw invalid('The path is longer than all');
  const wrapping = wrappingOf(extras.subarray(3), true);
  const kind = LOOKUPS.get(request.opcode) ?? MUTATIONS.get(request.opcode);
  if (kind === undefined) throw new Refusal(Status.unknownCommand);
  const spec = {
    kind,
    flags: extras.readUInt8(2),
    path: body.toString('utf8', 0, pathLength),
    value: body.subarray(pathLength),
  };
  return { ...wrapping, spec: spec as MutationSpec & LookupSpec };
}

function checked<Spec extends { readonly flags: number; readonly path: string }>(specs: Spec[]): Spec[] {
  if (specs.length === 0 || specs.length > MOST_SPECS) throw new Refusal(Status.invalidCombination);
  let isBody = false;
  for (const { flags, path } of specs) {
    const isXattr = (flags & PathFlag.xattr) !== 0;
    if (isXattr && isBody) throw new Refusal(Status.xattrInvalidOrder);
    if (isXattr && path === '') throw new Refusal(Status.xattrInvalid);
    if (!isXattr && (flags & PathFlag.expandMacros) !== 0) throw new Refusal(Status.xattrInvalidFlags);
    isBody ||= !isXattr;
  }
  return specs;
}
