import { type Document, isJson } from '../document';
import type { SystemEvent } from '../manifest';
import { leb128, u32, u64 } from '../numbers';
import { packet } from '../packet';
import { Datatype, Magic, ClusterOpcode as Op } from '../protocol';

/** The properties that all messages of a stream share. */
export interface Form {
  readonly partition: number;
  readonly opaque: number;
  readonly streamId: number | undefined;
  readonly hasCollections: boolean;
  /** JSON values are marked as such. */
  readonly hasJson: boolean;
  readonly withXattrs: boolean;
  readonly withValues: boolean;
  readonly withDeleteTimes: boolean;
  readonly withExpirations: boolean;
  /** Version of snapshot markers; newer versions have more fields. */
  readonly markers: '1' | '2.0' | '2.2';
}

export const SnapshotFlag = { memory: 0x01, disk: 0x02, checkpoint: 0x04 } as const;

export const EndReason = {
  ok: 0,
  closed: 1,
  stateChanged: 2,
  disconnected: 3,
  tooSlow: 4,
  backfillFailed: 5,
  rollback: 6,
  filterEmpty: 7,
  lostPrivileges: 8,
} as const;

export type EndReasonName = keyof typeof EndReason;

export interface Snapshot {
  readonly start: bigint;
  readonly end: bigint;
  readonly flags: number;
}

export function markerMessage(form: Form, { start, end, flags }: Snapshot, purged: bigint): Buffer {
  const common = [u64(start, end), u32(flags)];
  if (form.markers === '1') return message(form, Op.dcpSnapshotMarker, { extras: Buffer.concat(common) });
  const isNewest = form.markers === '2.2';
  const extras = Buffer.from([isNewest ? 2 : 0]);
  const visible = [...common, u64(end, end), ...(isNewest ? [u64(purged)] : [])];
  const isDisk = (flags & SnapshotFlag.disk) !== 0;
  if (isNewest && isDisk) visible.push(u64(0n));
  return message(form, Op.dcpSnapshotMarker, { extras, value: Buffer.concat(visible) });
}

/** A mutation, a deletion or an expiration. */
export function documentMessage(form: Form, document: Document): Buffer {
  const { seqno, revision, flags, expiry, cas, deletion, deletedAt } = document;
  const common = { cas, key: keyOf(form, document), ...bodyOf(form, document) };
  const numbers = u64(seqno, revision);
  if (deletion === undefined) {
    const extras = Buffer.concat([numbers, u32(flags, expiry, 0), Buffer.alloc(3)]);
    return message(form, Op.dcpMutation, { ...common, extras });
  }
  if (deletion === 'expired' && form.withExpirations)
    return message(form, Op.dcpExpiration, { ...common, extras: Buffer.concat([numbers, u32(deletedAt)]) });
  const rest = form.withDeleteTimes ? [u32(deletedAt), Buffer.alloc(1)] : [Buffer.alloc(2)];
  return message(form, Op.dcpDeletion, { ...common, extras: Buffer.concat([numbers, ...rest]) });
}

export function systemMessage(form: Form, seqno: bigint, event: SystemEvent): Buffer {
  const { id, version, name, value } = systemParts(event);
  const extras = Buffer.concat([u64(seqno), u32(id), Buffer.from([version])]);
  return message(form, Op.dcpSystemEvent, { extras, key: Buffer.from(name), value });
}

export function seqnoAdvancedMessage(form: Form, seqno: bigint): Buffer {
  return message(form, Op.dcpSeqnoAdvanced, { extras: u64(seqno) });
}

export function osoMessage(form: Form, edge: 'start' | 'end'): Buffer {
  return message(form, Op.dcpOsoSnapshot, { extras: u32(edge === 'start' ? 1 : 2) });
}

export function endMessage(form: Form, reason: EndReasonName): Buffer {
  return message(form, Op.dcpStreamEnd, { extras: u32(EndReason[reason]) });
}

export function noopMessage(opaque: number): Buffer {
  return packet({ magic: Magic.request, opcode: Op.dcpNoop, opaque });
}

interface Parts {
  readonly cas?: bigint;
  readonly datatype?: number;
  readonly extras?: Buffer;
  readonly key?: Buffer;
  readonly value?: Buffer;
}

function message(form: Form, opcode: number, parts: Parts): Buffer {
  const { opaque, partition: word, streamId } = form;
  if (streamId === undefined) return packet({ magic: Magic.request, opcode, opaque, word, ...parts });
  const framing = Buffer.from([0x22, streamId >> 8, streamId & 0xff]);
  return packet({ magic: Magic.altRequest, opcode, opaque, word, framing, ...parts });
}

function keyOf({ hasCollections }: Form, { collection, key }: Document): Buffer {
  return hasCollections ? Buffer.concat([leb128(collection), key]) : key;
}

/** Xattrs precede the value. Each has its length, its name and its text, with a zero byte after both. */
function bodyOf(form: Form, document: Document): { readonly datatype: number; readonly value: Buffer } {
  const value = form.withValues ? document.value : Buffer.alloc(0);
  const json = form.hasJson && value.length > 0 && isJson(document) ? Datatype.json : 0;
  if (!form.withXattrs || document.xattrs.size === 0) return { datatype: json, value };
  const pairs = [...document.xattrs].map(([name, text]) => {
    const pair = Buffer.from(`${name}\0${text}\0`);
    return Buffer.concat([u32(pair.length), pair]);
  });
  const xattrs = Buffer.concat(pairs);
  return { datatype: json | Datatype.xattr, value: Buffer.concat([u32(xattrs.length), xattrs, value]) };
}

interface SystemParts {
  readonly id: number;
  readonly version: number;
  readonly name: string;
  readonly value: Buffer;
}

function systemParts(event: SystemEvent): SystemParts {
  const manifest = u64(event.manifest);
  switch (event.kind) {
    case 'collection begin': {
      const { scope, collection, name, maxTtl } = event;
      const ids = maxTtl === 0 ? u32(scope, collection) : u32(scope, collection, maxTtl);
      return { id: 0, version: maxTtl === 0 ? 0 : 1, name, value: Buffer.concat([manifest, ids]) };
    }
    case 'collection end': {
      const value = Buffer.concat([manifest, u32(event.scope, event.collection)]);
      return { id: 1, version: 0, name: '', value };
    }
    case 'scope create': {
      const value = Buffer.concat([manifest, u32(event.scope)]);
      return { id: 3, version: 0, name: event.name, value };
    }
    case 'scope drop':
      return { id: 4, version: 0, name: '', value: Buffer.concat([manifest, u32(event.scope)]) };
  }
}
