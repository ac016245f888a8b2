import { type Document, type Draft, deletionOf, isJson, NO_XATTRS } from '../document';
import type { Frame } from '../frame';
import { lookUp, mutate } from '../json/sub-document';
import { xattrsOf, xattrsText } from '../json/xattrs';
import { expandedMacro, type Stamp, virtualXattrs } from '../macros';
import { u16, u32 } from '../numbers';
import { ClusterOpcode as Op, ClusterStatus as Status } from '../protocol';
import { Refusal } from '../refusal';
import type { Reply, Session } from '../session';
import { type Commands, ofBucket } from './command';
import { checkWritable, commit, expiryOf, type Framed } from './mutation';
import {
  DocumentFlag,
  type LookupSpec,
  lookupSpecs,
  type MutationSpec,
  mutationSpecs,
  PathFlag,
  singleSpec,
  type Wrapping,
  wrappingOf,
} from './sub-document-specs';
import { find, type Target, targetOf } from './target';

const LOOKUP_OPCODES = [Op.subdocGet, Op.subdocExists, Op.subdocGetCount];
const MUTATION_OPCODES = [
  Op.subdocDictAdd,
  Op.subdocDictUpsert,
  Op.subdocDelete,
  Op.subdocReplace,
  Op.subdocArrayPushLast,
  Op.subdocArrayPushFirst,
  Op.subdocArrayInsert,
  Op.subdocArrayAddUnique,
  Op.subdocCounter,
];

export const subDocumentCommands: Commands = [
  ...LOOKUP_OPCODES.map((opcode) => [opcode, ofBucket(lookUpOne)] as const),
  ...MUTATION_OPCODES.map((opcode) => [opcode, ofBucket(mutateOne)] as const),
  [Op.subdocMultiLookup, ofBucket(lookUpMany)],
  [Op.subdocMultiMutation, ofBucket(mutateMany)],
];

function lookUpOne(request: Frame, session: Session): Reply {
  const { spec, flags } = singleSpec(request);
  const { document, target } = readable(request, session, flags);
  const value = lookedUp(document, target, spec);
  const status = document.deletion === undefined ? Status.success : Status.successDeleted;
  return { status, cas: document.cas, value };
}

function lookUpMany(request: Frame, session: Session): Reply {
  const { flags } = wrappingOf(request.extras(), false);
  const specs = lookupSpecs(request.value());
  const { document, target } = readable(request, session, flags);
  const pieces: Buffer[] = [];
  let failed = false;
  for (const spec of specs) {
    const outcome = attempted(() => lookedUp(document, target, spec));
    const isFailure = typeof outcome === 'number';
    failed ||= isFailure;
    const value = isFailure ? Buffer.alloc(0) : outcome;
    pieces.push(u16(isFailure ? outcome : Status.success), u32(value.length), value);
  }
  const isDeleted = document.deletion !== undefined;
  const good = isDeleted ? Status.successDeleted : Status.success;
  const bad = isDeleted ? Status.multiPathFailureDeleted : Status.multiPathFailure;
  return { status: failed ? bad : good, cas: document.cas, value: Buffer.concat(pieces) };
}

/** The document. A tombstone is returned only if the request allows it. */
function readable(
  request: Frame,
  session: Session,
  flags: number,
): { readonly document: Document; readonly target: Target } {
  const isReplica = (flags & DocumentFlag.replicaRead) !== 0;
  const target = targetOf(request, session, isReplica ? 'replica' : 'active');
  const alive = find(target);
  const mayBeDeleted = (flags & DocumentFlag.accessDeleted) !== 0;
  const document = alive ?? (mayBeDeleted ? target.vbucket.version(target.name) : undefined);
  if (document === undefined) throw new Refusal(Status.keyNotFound);
  return { document, target };
}

function lookedUp(document: Document, { vbucket, bucket }: Target, spec: LookupSpec): Buffer {
  const { kind, path } = spec;
  if (kind === 'document') return document.value;
  if ((spec.flags & PathFlag.xattr) !== 0) {
    const isVirtual = path.startsWith('$');
    const xattrs = isVirtual ? virtualXattrs(document, vbucket, bucket.clock.milliseconds) : document.xattrs;
    if (isVirtual && !xattrs.has(/^[^.[]*/.exec(path)?.[0] ?? ''))
      throw new Refusal(Status.xattrUnknownVattr);
    return Buffer.from(lookUp(xattrsText(xattrs), kind, path));
  }
  if (document.deletion !== undefined) throw new Refusal(Status.pathNotFound);
  if (!isJson(document)) throw new Refusal(Status.documentNotJson);
  return Buffer.from(lookUp(document.value.toString('utf8'), kind, path));
}

function mutateOne(request: Frame, session: Session): Reply | undefined {
  const { spec, ...wrapping } = singleSpec(request);
  return applied(request, session, wrapping, [spec], ([result]) =>
    result === undefined ? {} : { value: result.value },
  );
}

function mutateMany(request: Frame, session: Session): Reply | undefined {
  const wrapping = wrappingOf(request.extras(), true);
  const specs = mutationSpecs(request.value());
  return applied(request, session, wrapping, specs, (results) => ({
    value: Buffer.concat(
      results.flatMap(({ index, value }) => [
        Buffer.from([index]),
        u16(Status.success),
        u32(value.length),
        value,
      ]),
    ),
  }));
}

interface Result {
  readonly index: number;
  readonly value: Buffer;
}

/** Applies all specs or none. The response to a failure has the index and status of the first spec that failed. */
function applied(
  request: Frame,
  session: Session,
  wrapping: Wrapping,
  specs: readonly MutationSpec[],
  answerOf: (results: readonly Result[]) => Reply,
): Reply | undefined {
  const target = targetOf(request, session);
  const alive = find(target);
  checkWritable(request, session, target, alive ?? deletedFor(target, wrapping));
  const base = baseOf(target, alive, wrapping, specs);
  const { bucket, vbucket } = target;
  const stamp = bucket.stamp(vbucket);
  const results: Result[] = [];
  let draft: Draft = {
    ...base,
    expiry: wrapping.expiry === undefined ? base.expiry : expiryOf(wrapping.expiry, request, target, alive),
  };
  for (const [index, spec] of specs.entries()) {
    const outcome = attempted(() => step(draft, spec, stamp));
    if (typeof outcome === 'number') throw failure(request, index, outcome);
    draft = outcome.draft;
    if (outcome.result !== undefined) results.push({ index, value: Buffer.from(outcome.result) });
  }
  const isGone = draft.deletion !== undefined;
  return commit(
    request,
    session,
    target,
    draft,
    () => ({ ...answerOf(results), ...(isGone && alive === undefined && { status: Status.successDeleted }) }),
    stamp,
  );
}

function failure(request: Frame, index: number, status: number): Refusal {
  if (request.opcode !== Op.subdocMultiMutation) return new Refusal(status);
  return new Refusal(Status.multiPathFailure, Buffer.concat([Buffer.from([index]), u16(status)]));
}

function deletedFor(target: Target, { flags }: Wrapping): Document | undefined {
  return (flags & DocumentFlag.accessDeleted) === 0 ? undefined : target.vbucket.version(target.name);
}

/** What the specs are applied to: the document, its tombstone, or a new document. */
function baseOf(
  target: Target,
  alive: Document | undefined,
  wrapping: Wrapping,
  specs: readonly MutationSpec[],
): Draft {
  const { flags } = wrapping;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const deleted = deletedFor(target, wrapping);
  if (alive !== undefined) {
    if (has(DocumentFlag.add)) throw new Refusal(Status.keyExists);
    if (has(DocumentFlag.revive)) throw new Refusal(Status.canOnlyReviveDeleted);
    return alive;
  }
  if (deleted !== undefined)
    return has(DocumentFlag.revive) ? { ...deleted, deletion: undefined, value: Buffer.from('{}') } : deleted;
  if (!has(DocumentFlag.create) && !has(DocumentFlag.add)) throw new Refusal(Status.keyNotFound);
  const first = specs.find(({ flags: own }) => (own & PathFlag.xattr) === 0);
  const isArray = first?.path === '' && first.kind.startsWith('array');
  const isDeleted = has(DocumentFlag.createAsDeleted);
  return {
    name: target.name,
    collection: target.collection.id,
    key: Buffer.from(target.key),
    value: isDeleted ? Buffer.alloc(0) : Buffer.from(isArray ? '[]' : '{}'),
    xattrs: NO_XATTRS,
    flags: 0,
    expiry: expiryOf(0, UNFRAMED, target, undefined),
    deletion: isDeleted ? 'deleted' : undefined,
  };
}

const UNFRAMED: Framed = { framingLength: 0, framing: () => [] };

interface Stepped {
  readonly draft: Draft;
  readonly result?: string | undefined;
}

function step(draft: Draft, spec: MutationSpec, stamp: Stamp): Stepped {
  const { kind, path, flags } = spec;
  if (kind === 'setDocument')
    return { draft: { ...draft, value: Buffer.from(spec.value), deletion: undefined } };
  if (kind === 'deleteDocument') return { draft: { ...draft, ...deletionOf(draft, 'deleted') } };
  if (kind === 'bodyFromXattr') {
    const value = Buffer.from(lookUp(xattrsText(draft.xattrs), 'get', path));
    return { draft: { ...draft, value, deletion: undefined } };
  }
  const createsPath = (flags & PathFlag.createPath) !== 0;
  const value = valueFor(spec, stamp, draft.value);
  if ((flags & PathFlag.xattr) !== 0) {
    if (path.startsWith('$')) throw new Refusal(Status.xattrReadOnlyVattr);
    const { text, result } = mutate(xattrsText(draft.xattrs), { kind, path, value, createsPath });
    return { draft: { ...draft, xattrs: xattrsOf(text) }, result };
  }
  const body = draft.value.toString('utf8');
  if (draft.deletion !== undefined) throw new Refusal(Status.keyNotFound);
  if (!isJson(draft)) throw new Refusal(Status.documentNotJson);
  const { text, result } = mutate(body, { kind, path, value, createsPath });
  return { draft: { ...draft, value: Buffer.from(text) }, result };
}

function valueFor({ flags, value }: MutationSpec, stamp: Stamp, body: Buffer): string {
  const text = value.toString('utf8');
  if ((flags & PathFlag.expandMacros) === 0) return text;
  const expanded = expandedMacro(text, stamp, body);
  if (expanded === undefined) throw new Refusal(Status.xattrUnknownMacro);
  return expanded;
}

function attempted<Result>(attempt: () => Result): Result | number {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof Refusal) return error.status;
    throw error;
  }
}
