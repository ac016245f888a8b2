import type { Frame } from '../frame';
import type { Manifest } from '../manifest';
import { ClusterStatus } from '../protocol';
import { invalid, Refusal } from '../refusal';
import type { Filter } from './filter';
import type { Resumption } from './rollback';

const EXTRAS_BYTES = 48;

export const StreamFlag = {
  diskOnly: 0x02,
  toLatest: 0x04,
  strictUuid: 0x20,
  fromLatest: 0x40,
  ignoresPurges: 0x80,
} as const;

/** A stream request. */
export interface StreamRequest extends Resumption {
  readonly flags: number;
  readonly end: bigint;
  readonly filter: Filter;
  readonly streamId: number | undefined;
}

export function streamRequestOf(request: Frame, manifest: Manifest): StreamRequest {
  const extras = request.extras();
  if (extras.length !== EXTRAS_BYTES || request.keyLength > 0)
    throw invalid('The extras are not those of the command');
  const flags = extras.readUInt32BE(0);
  const [start = 0n, end = 0n, uuid = 0n, snapshotStart = 0n, snapshotEnd = 0n] = [8, 16, 24, 32, 40].map(
    (at) => extras.readBigUInt64BE(at),
  );
  if (snapshotStart > start || start > snapshotEnd || start > end)
    throw new Refusal(ClusterStatus.rangeError);
  return {
    flags,
    start,
    end,
    uuid,
    snapshotStart,
    snapshotEnd,
    ignoresPurges: (flags & StreamFlag.ignoresPurges) !== 0,
    isStrict: (flags & StreamFlag.strictUuid) !== 0,
    ...wishesOf(request.value(), manifest),
  };
}

function wishesOf(value: Buffer, manifest: Manifest): Pick<StreamRequest, 'filter' | 'streamId'> {
  if (value.length === 0) return { filter: {}, streamId: undefined };
  const { collections, scope, sid, uid } = objectOf(value);
  if (typeof uid === 'string' && BigInt(`0x${uid}`) > manifest.uid)
    throw new Refusal(ClusterStatus.manifestAhead);
  const streamId = typeof sid === 'number' ? sid : undefined;
  if (typeof scope === 'string') {
    const id = Number.parseInt(scope, 16);
    if (!manifest.hasScope(id)) throw new Refusal(ClusterStatus.unknownScope, bodyOf(manifest));
    return { filter: { scope: id }, streamId };
  }
  if (!Array.isArray(collections)) return { filter: {}, streamId };
  const ids = collections.map((id) => Number.parseInt(String(id), 16));
  if (ids.some((id) => manifest.collection(id) === undefined))
    throw new Refusal(ClusterStatus.unknownCollection, bodyOf(manifest));
  return { filter: { collections: new Set(ids) }, streamId };
}

function objectOf(value: Buffer): Readonly<Record<string, unknown>> {
  try {
    const given: unknown = JSON.parse(value.toString('utf8'));
    if (typeof given === 'object' && given !== null) return given as Readonly<Record<string, unknown>>;
  } catch {
    // Handled below, like any value that is not an object.
  }
  throw invalid('A filter is an object of JSON');
}

function bodyOf(manifest: Manifest): Readonly<Record<string, unknown>> {
  return { manifest_uid: manifest.uid.toString(16) };
}
