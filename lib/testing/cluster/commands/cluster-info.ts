import { isNewer } from '../configuration';
import type { Frame } from '../frame';
import { u16, u64 } from '../numbers';
import { ClusterOpcode, ClusterStatus, Feature } from '../protocol';
import { invalid, Refusal } from '../refusal';
import type { Reply, Session } from '../session';
import { type Commands, forUsers, ofBucket } from './command';
import { failoverLogReply } from './failover-log';
import { bucketOf, copyFor, manifestOf, unknown } from './target';

const VBUCKET_STATES: ReadonlyMap<number, string> = new Map([
  [1, 'active'],
  [2, 'replica'],
  [3, 'pending'],
  [4, 'dead'],
]);

export const clusterCommands: Commands = [
  [ClusterOpcode.getClusterConfig, forUsers(getClusterConfig)],
  [ClusterOpcode.stat, forUsers(stat)],
  [ClusterOpcode.collectionsGetManifest, ofBucket(getManifest)],
  [ClusterOpcode.collectionsGetId, ofBucket(getCollectionId)],
  [ClusterOpcode.collectionsGetScopeId, ofBucket(getScopeId)],
  [ClusterOpcode.getAllVbSeqnos, ofBucket(getAllVbSeqnos)],
  [ClusterOpcode.getFailoverLog, ofBucket(getFailoverLog)],
  [ClusterOpcode.dcpGetFailoverLog, ofBucket(getFailoverLog)],
  [ClusterOpcode.observeSeqno, ofBucket(observeSeqno)],
];

function getClusterConfig(request: Frame, session: Session): Reply {
  const extras = request.extras();
  if (extras.length !== 0 && extras.length !== 16) throw invalid('A known version has 16 bytes');
  if (extras.length === 16 && session.has(Feature.configWithKnownVersion)) {
    const known = { epoch: extras.readBigInt64BE(0), revision: extras.readBigInt64BE(8) };
    if (!isNewer(session.host.configuration(session.bucket).version, known)) return {};
  }
  return session.configuration();
}

function stat(_request: Frame, { host }: Session): Reply[] {
  const lines = { version: host.serverVersion, time: String(host.clock.seconds) };
  const replies = Object.entries(lines).map(([name, value]) => ({
    key: Buffer.from(name),
    value: Buffer.from(value),
  }));
  return [...replies, {}];
}

function getManifest(_request: Frame, session: Session): Reply {
  return { value: Buffer.from(JSON.stringify(manifestOf(session))) };
}

function getCollectionId(request: Frame, session: Session): Reply {
  const manifest = manifestOf(session);
  const path = (request.valueLength > 0 ? request.value() : request.key()).toString('utf8');
  const collection = manifest.collectionAt(path);
  if (collection === 'no path') throw invalid('A collection is named with its scope');
  if (collection === 'no scope') throw unknown(ClusterStatus.unknownScope, manifest);
  if (collection === 'no collection') throw unknown(ClusterStatus.unknownCollection, manifest);
  return idReply(manifest.uid, collection.id);
}

function getScopeId(request: Frame, session: Session): Reply {
  const manifest = manifestOf(session);
  const scope = manifest.scopeNamed(request.value().toString('utf8'));
  if (scope === undefined) throw unknown(ClusterStatus.unknownScope, manifest);
  return idReply(manifest.uid, scope.id);
}

function idReply(manifest: bigint, id: number): Reply {
  const extras = Buffer.alloc(12);
  extras.writeBigUInt64BE(manifest, 0);
  extras.writeUInt32BE(id, 8);
  return { extras };
}

function getAllVbSeqnos(request: Frame, session: Session): Reply {
  const extras = request.extras();
  const wanted = extras.length >= 4 ? VBUCKET_STATES.get(extras.readUInt32BE(0)) : undefined;
  const pieces: Buffer[] = [];
  for (const { vbucket, state } of bucketOf(session).copiesOn(session.host.number))
    if (wanted === undefined ? state !== 'dead' : state === wanted)
      pieces.push(u16(vbucket.id), u64(vbucket.high));
  return { value: Buffer.concat(pieces) };
}

function getFailoverLog(request: Frame, session: Session): Reply {
  return failoverLogReply(copyFor(request, session));
}

function observeSeqno(request: Frame, session: Session): Reply {
  if (request.valueLength !== 8) throw invalid('A vbucket is observed under a uuid of it');
  const vbucket = copyFor(request, session, 'any');
  const asked = request.value().readBigUInt64BE(0);
  const { failoverLog, uuid, persisted, high, id } = vbucket;
  const index = failoverLog.findIndex((entry) => entry.uuid === asked);
  if (index === -1) throw new Refusal(ClusterStatus.keyNotFound);
  const common = [u16(id), u64(uuid, persisted, high)];
  if (index === 0) return { value: Buffer.concat([Buffer.from([0]), ...common]) };
  const next = failoverLog[index - 1]?.seqno ?? 0n;
  return { value: Buffer.concat([Buffer.from([1]), ...common, u64(asked, next)]) };
}
