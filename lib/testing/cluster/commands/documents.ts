import { type Document, type Draft, deletionOf, isJson, NO_XATTRS } from '../document';
import type { Frame } from '../frame';
import { u32, u64 } from '../numbers';
import { ClusterOpcode, ClusterStatus, Datatype, NO_CREATE } from '../protocol';
import { invalid, Refusal } from '../refusal';
import type { Reply, Session } from '../session';
import { type Commands, type Execute, ofBucket } from './command';
import { checkWritable, commit, expiryOf, isLocked, locked } from './mutation';
import { bucketOf, find, found, type Target, targetOf } from './target';
import { givenValue, valueReply } from './values';

/** The CAS that readers see while a document is locked. */
const CAS_OF_LOCKED = 0xffff_ffff_ffff_ffffn;
const DEFAULT_LOCK_SECONDS = 15;
const LONGEST_LOCK_SECONDS = 30;

export const documentCommands: Commands = [
  [ClusterOpcode.get, ofBucket(get(false))],
  [ClusterOpcode.getk, ofBucket(get(true))],
  [ClusterOpcode.getReplica, ofBucket(getReplica)],
  [ClusterOpcode.gat, ofBucket(touch(true))],
  [ClusterOpcode.touch, ofBucket(touch(false))],
  [ClusterOpcode.set, ofBucket(store('set'))],
  [ClusterOpcode.add, ofBucket(store('add'))],
  [ClusterOpcode.replace, ofBucket(store('replace'))],
  [ClusterOpcode.append, ofBucket(extend(true))],
  [ClusterOpcode.prepend, ofBucket(extend(false))],
  [ClusterOpcode.delete, ofBucket(remove)],
  [ClusterOpcode.increment, ofBucket(count(true))],
  [ClusterOpcode.decrement, ofBucket(count(false))],
  [ClusterOpcode.getLocked, ofBucket(lock)],
  [ClusterOpcode.unlock, ofBucket(unlock)],
  [ClusterOpcode.getMeta, ofBucket(getMeta)],
  [ClusterOpcode.getRandomKey, ofBucket(getRandomKey)],
];

function get(withKey: boolean): Execute {
  return (request, session) => {
    checkParts(request, 0, false);
    const target = targetOf(request, session);
    const reply = itemReply(found(target), session, casShown(target));
    return withKey ? { ...reply, key: Buffer.from(request.key()) } : reply;
  };
}

function getReplica(request: Frame, session: Session): Reply {
  checkParts(request, 0, false);
  const target = targetOf(request, session, 'replica');
  return itemReply(found(target), session);
}

function touch(withValue: boolean): Execute {
  return (request, session) => {
    checkParts(request, 4, false);
    const target = targetOf(request, session);
    const before = found(target);
    if (isLocked(target, 0n)) throw locked(session);
    const expiry = expiryOf(request.extras().readUInt32BE(0), request, target, undefined);
    const { bucket, vbucket } = target;
    const document = expiry === before.expiry ? before : bucket.write(vbucket, { ...before, expiry });
    return withValue ? itemReply(document, session) : { cas: document.cas };
  };
}

function store(mode: 'set' | 'add' | 'replace'): Execute {
  return (request, session) => {
    checkParts(request, 8, true);
    const target = targetOf(request, session);
    const before = find(target);
    checkWritable(request, session, target, before);
    if (mode === 'add' && before !== undefined) throw new Refusal(ClusterStatus.keyExists);
    if (mode === 'replace' && before === undefined) throw new Refusal(ClusterStatus.keyNotFound);
    const extras = request.extras();
    return commit(request, session, target, {
      name: target.name,
      collection: target.collection.id,
      key: Buffer.from(target.key),
      value: Buffer.from(givenValue(request, session)),
      xattrs: before?.xattrs ?? NO_XATTRS,
      flags: extras.readUInt32BE(0),
      expiry: expiryOf(extras.readUInt32BE(4), request, target, before),
    });
  };
}

function extend(atEnd: boolean): Execute {
  return (request, session) => {
    checkParts(request, 0, true);
    const target = targetOf(request, session);
    const before = find(target);
    if (before === undefined) throw new Refusal(ClusterStatus.notStored);
    checkWritable(request, session, target, before);
    const given = givenValue(request, session);
    const value = Buffer.concat(atEnd ? [before.value, given] : [given, before.value]);
    return commit(request, session, target, { ...before, value });
  };
}

function remove(request: Frame, session: Session): Reply | undefined {
  checkParts(request, 0, false);
  const target = targetOf(request, session);
  const before = find(target);
  checkWritable(request, session, target, before);
  if (before === undefined) throw new Refusal(ClusterStatus.keyNotFound);
  return commit(request, session, target, deletionOf(before, 'deleted'));
}

function count(up: boolean): Execute {
  return (request, session) => {
    checkParts(request, 20, false);
    const target = targetOf(request, session);
    const extras = request.extras();
    const before = find(target);
    checkWritable(request, session, target, before);
    const expiry = extras.readUInt32BE(16);
    if (before === undefined && expiry === NO_CREATE) throw new Refusal(ClusterStatus.keyNotFound);
    const number =
      before === undefined
        ? extras.readBigUInt64BE(8)
        : counted(before.value.toString('latin1'), extras.readBigUInt64BE(0), up);
    const value = Buffer.from(number.toString(), 'latin1');
    const draft: Draft =
      before === undefined
        ? {
            ...placeOf(target),
            value,
            xattrs: NO_XATTRS,
            flags: 0,
            expiry: expiryOf(expiry, request, target, undefined),
          }
        : { ...before, value };
    return commit(request, session, target, draft, () => ({ value: u64(number) }));
  };
}

function counted(text: string, delta: bigint, up: boolean): bigint {
  if (!/^\d{1,20}$/.test(text)) throw new Refusal(ClusterStatus.nonNumeric);
  const before = BigInt(text);
  if (before >= 2n ** 64n) throw new Refusal(ClusterStatus.nonNumeric);
  if (up) return BigInt.asUintN(64, before + delta);
  return before > delta ? before - delta : 0n;
}

function lock(request: Frame, session: Session): Reply {
  const extras = request.extras();
  if (extras.length !== 0 && extras.length !== 4) throw invalid('A lock has its seconds, or nothing');
  const target = targetOf(request, session);
  const document = found(target);
  if (isLocked(target, 0n)) throw locked(session);
  const asked = extras.length === 4 ? extras.readUInt32BE(0) : 0;
  const seconds = asked === 0 || asked > LONGEST_LOCK_SECONDS ? DEFAULT_LOCK_SECONDS : asked;
  const { clock } = target.bucket;
  const cas = clock.nextCas();
  target.vbucket.locks.set(target.name, { cas, until: clock.milliseconds + seconds * 1000 });
  return itemReply(document, session, cas);
}

function unlock(request: Frame, session: Session): Reply {
  checkParts(request, 0, false);
  const target = targetOf(request, session);
  found(target);
  if (request.cas === 0n) throw invalid('A lock is known by its CAS');
  if (isLocked(target, request.cas)) throw locked(session);
  const isOver = !isLocked(target, 0n);
  target.vbucket.locks.delete(target.name);
  if (isOver) throw new Refusal(ClusterStatus.notLocked);
  return {};
}

function getMeta(request: Frame, session: Session): Reply {
  const [version] = request.extras();
  const target = targetOf(request, session);
  find(target);
  const document = target.vbucket.version(target.name);
  if (document === undefined) throw new Refusal(ClusterStatus.keyNotFound);
  const deleted = document.deletion === undefined ? 0 : 1;
  const expiry = deleted === 0 ? document.expiry : document.deletedAt;
  const extras = [u32(deleted, document.flags, expiry), u64(document.revision)];
  if (version === 2) extras.push(Buffer.from([datatypeStored(document)]));
  return { extras: Buffer.concat(extras), cas: document.cas };
}

function getRandomKey(request: Frame, session: Session): Reply {
  const extras = request.extras();
  const collection = extras.length >= 4 ? extras.readUInt32BE(0) : 0;
  const bucket = bucketOf(session);
  for (const { vbucket, state } of bucket.copiesOn(session.host.number)) {
    if (state !== 'active') continue;
    for (const document of vbucket.documents())
      if (document.deletion === undefined && document.collection === collection)
        return { ...itemReply(document, session), key: document.key };
  }
  throw new Refusal(ClusterStatus.keyNotFound);
}

function datatypeStored(document: Document): number {
  return (isJson(document) ? Datatype.json : 0) | (document.xattrs.size > 0 ? Datatype.xattr : 0);
}

function itemReply(document: Document, session: Session, cas = document.cas): Reply {
  return { cas, extras: u32(document.flags), ...valueReply(document, session) };
}

function casShown(target: Target): bigint | undefined {
  return isLocked(target, 0n) ? CAS_OF_LOCKED : undefined;
}

function placeOf({ name, collection, key }: Target): Pick<Draft, 'name' | 'collection' | 'key'> {
  return { name, collection: collection.id, key: Buffer.from(key) };
}

function checkParts(request: Frame, extras: number, mayHaveValue: boolean): void {
  if (request.extrasLength !== extras) throw invalid('The extras are not those of the command');
  if (!mayHaveValue && request.valueLength > 0) throw invalid('The command takes no value');
}
