import type { Bucket } from '../bucket';
import { type Document, nameOf } from '../document';
import type { Frame } from '../frame';
import type { Collection, Manifest } from '../manifest';
import { ClusterStatus, MAX_KEY_BYTES, MAX_KEY_BYTES_ELSEWHERE } from '../protocol';
import { invalid, Refusal } from '../refusal';
import type { Session } from '../session';
import type { VBucket } from '../vbucket';

/** The document that a request addresses; it may not exist. */
export interface Target {
  readonly bucket: Bucket;
  readonly vbucket: VBucket;
  readonly collection: Collection;
  readonly key: Buffer;
  readonly name: string;
}

export function bucketOf(session: Session): Bucket {
  const { bucket } = session;
  if (bucket === undefined) throw new Refusal(ClusterStatus.noBucket);
  return bucket;
}

/** This node's copy of the vbucket in the header, if it has the state that the request needs. */
export function copyFor(
  request: { readonly vbucket: number },
  session: Session,
  kind: 'active' | 'replica' | 'any' = 'active',
): VBucket {
  const copy = bucketOf(session).copy(session.host.number, request.vbucket);
  const isRight = kind === 'any' ? copy !== undefined && copy.state !== 'dead' : copy?.state === kind;
  if (copy === undefined || !isRight) throw session.notMyVbucket(ClusterStatus.notMyVbucket);
  return copy.vbucket;
}

export function targetOf(request: Frame, session: Session, kind: 'active' | 'replica' = 'active'): Target {
  const bucket = bucketOf(session);
  const vbucket = copyFor(request, session, kind);
  const key = request.documentKey();
  if (key === undefined) throw invalid('The request has no key, or none of a collection');
  const most = key.collection === 0 ? MAX_KEY_BYTES : MAX_KEY_BYTES_ELSEWHERE;
  if (key.bytes.length > most) throw invalid('The key is too long');
  const collection = collectionOf(manifestOf(session), key.collection);
  return { bucket, vbucket, collection, key: key.bytes, name: nameOf(key.collection, key.bytes) };
}

/** The manifest as this node knows it. */
export function manifestOf(session: Session): Manifest {
  return bucketOf(session).manifestOf(session.host.number);
}

export function collectionOf(manifest: Manifest, id: number): Collection {
  const collection = manifest.collection(id);
  if (collection === undefined) throw unknown(ClusterStatus.unknownCollection, manifest);
  return collection;
}

/** The refusal for an unknown collection or scope. The manifest uid tells the client whether its own manifest is old. */
export function unknown(status: number, manifest: Manifest): Refusal {
  return new Refusal(status, { manifest_uid: manifest.uid.toString(16) });
}

export function find({ bucket, vbucket, name }: Target): Document | undefined {
  return bucket.find(vbucket, name);
}

export function found(target: Target): Document {
  const document = find(target);
  if (document === undefined) throw new Refusal(ClusterStatus.keyNotFound);
  return document;
}
