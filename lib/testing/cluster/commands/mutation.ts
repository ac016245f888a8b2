import { type Document, type Draft, expiryAt } from '../document';
import type { Frame } from '../frame';
import { u64 } from '../numbers';
import { ClusterStatus, Feature, FrameId, MAX_VALUE_BYTES } from '../protocol';
import { invalid, Refusal } from '../refusal';
import type { Reply, Session } from '../session';
import type { Target } from './target';

const LONGEST_DURABILITY_TIMEOUT = 0xfffe;

/** What of a request has its framing extras. */
export type Framed = Pick<Frame, 'framing' | 'framingLength'>;

/** Options in the framing extras of a mutation. */
interface Wishes {
  readonly isDurable: boolean;
  /** ms for a durable write; undefined: no limit. */
  readonly timeout: number | undefined;
  readonly keepsExpiry: boolean;
}

/** Clients without XERROR do not know the status for a locked document. */
export function locked(session: Session): Refusal {
  return new Refusal(session.has(Feature.xerror) ? ClusterStatus.locked : ClusterStatus.temporaryFailure);
}

/** Whether the document is locked with another CAS. */
export function isLocked({ vbucket, name, bucket }: Target, cas: bigint): boolean {
  const lock = vbucket.locks.get(name);
  return lock !== undefined && lock.until > bucket.clock.milliseconds && lock.cas !== cas;
}

/** Refuses a mutation of a locked document, during another durable write, or with a CAS that does not match. */
export function checkWritable(
  request: Frame,
  session: Session,
  target: Target,
  before: Document | undefined,
): void {
  if (target.bucket.syncWrites.isPending(target.vbucket.id, target.name))
    throw new Refusal(ClusterStatus.syncWriteInProgress);
  const { cas } = request;
  if (isLocked(target, cas)) throw locked(session);
  if (cas === 0n) return;
  if (before === undefined) throw new Refusal(ClusterStatus.keyNotFound);
  const lock = target.vbucket.locks.get(target.name);
  if (lock?.cas !== cas && before.cas !== cas) throw new Refusal(ClusterStatus.keyExists);
}

/** The expiry of the new version, in seconds since the Unix epoch. */
export function expiryOf(
  given: number,
  request: Framed,
  target: Target,
  before: Document | undefined,
): number {
  const { bucket, collection } = target;
  if (before !== undefined && wishesOf(request).keepsExpiry) return before.expiry;
  return clamped(given, bucket.clock.seconds, collection.maxTtl || bucket.settings.maxTtl);
}

function clamped(given: number, now: number, maxTtl: number): number {
  const expiry = expiryAt(given, now);
  if (maxTtl === 0) return expiry;
  return expiry === 0 ? now + maxTtl : Math.min(expiry, now + maxTtl);
}

/**
 * Writes a version, ends the lock on the document, and returns the response. A durable write that a test holds is written and
 * answered later.
 */
export function commit(
  request: Frame,
  session: Session,
  target: Target,
  draft: Draft,
  answerOf: (document: Document) => Reply = () => ({}),
  stamp = target.bucket.stamp(target.vbucket),
): Reply | undefined {
  const { bucket, vbucket, name } = target;
  if (draft.value.length > MAX_VALUE_BYTES) throw new Refusal(ClusterStatus.tooLarge);
  const { isDurable, timeout } = wishesOf(request);
  if (isDurable) checkMajority(target);
  const write = (as = stamp): Reply => {
    vbucket.locks.delete(name);
    const document = bucket.write(vbucket, draft, as);
    return { cas: document.cas, extras: tokenOf(document, target, session), ...answerOf(document) };
  };
  if (!isDurable || !bucket.syncWrites.held) return write();
  const asked = { opcode: request.opcode, opaque: request.opaque };
  bucket.syncWrites.prepare(vbucket.id, name, timeout, (outcome) =>
    session.answerLate(
      asked,
      outcome === 'commit' ? write(bucket.stamp(vbucket)) : { status: ClusterStatus.syncWriteAmbiguous },
    ),
  );
  return undefined;
}

/** The mutation token, if the client has asked for tokens. */
export function tokenOf(document: Document, { vbucket }: Target, session: Session): Buffer | undefined {
  return session.has(Feature.mutationSeqno) ? u64(vbucket.uuid, document.seqno) : undefined;
}

const NO_WISHES: Wishes = { isDurable: false, timeout: undefined, keepsExpiry: false };

function wishesOf(request: Framed): Wishes {
  if (request.framingLength === 0) return NO_WISHES;
  let isDurable = false;
  let timeout: number | undefined;
  let keepsExpiry = false;
  for (const { id, bytes } of request.framing() ?? []) {
    if (id === FrameId.preserveTtl) keepsExpiry = true;
    if (id !== FrameId.durability) continue;
    isDurable = true;
    const level = bytes[0] ?? 0;
    if (level < 1 || level > 3) throw new Refusal(ClusterStatus.durabilityInvalidLevel);
    if (bytes.length !== 1 && bytes.length !== 3) throw invalid('Durability has a level and may have a time');
    timeout = bytes.length === 3 ? bytes.readUInt16BE(1) : undefined;
    if (timeout === 0 || (timeout ?? 1) > LONGEST_DURABILITY_TIMEOUT)
      throw invalid('The time of durability is none');
  }
  return { isDurable, timeout, keepsExpiry };
}

function checkMajority({ bucket, vbucket }: Target): void {
  const wanted = Math.floor((bucket.settings.replicas + 1) / 2) + 1;
  if (bucket.copiesAlive(vbucket.id) < wanted) throw new Refusal(ClusterStatus.durabilityImpossible);
}
