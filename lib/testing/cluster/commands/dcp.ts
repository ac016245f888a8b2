import { OpenFlag, Producer } from '../dcp/producer';
import { streamRequestOf } from '../dcp/request';
import { rollbackOf } from '../dcp/rollback';
import type { Frame } from '../frame';
import { u64 } from '../numbers';
import { ClusterOpcode, ClusterStatus, Feature, FrameId } from '../protocol';
import { invalid, Refusal } from '../refusal';
import type { Reply, Session } from '../session';
import { type Commands, ofBucket } from './command';
import { failoverLogReply } from './failover-log';
import { bucketOf, copyFor, manifestOf } from './target';

const LONGEST_NAME = 200;

export const dcpCommands: Commands = [
  [ClusterOpcode.dcpOpen, ofBucket(open)],
  [ClusterOpcode.dcpControl, ofBucket(control)],
  [ClusterOpcode.dcpStreamRequest, ofBucket(requestStream)],
  [ClusterOpcode.dcpCloseStream, ofBucket(closeStream)],
  [ClusterOpcode.dcpBufferAck, ofBucket(acknowledge)],
];

function open(request: Frame, session: Session): Reply {
  const extras = request.extras();
  const name = request.key().toString('utf8');
  if (extras.length !== 8 || name === '' || request.keyLength > LONGEST_NAME)
    throw invalid('A producer has eight bytes of extras and a name');
  const flags = extras.readUInt32BE(4);
  if ((flags & OpenFlag.producer) === 0 || session.has(Feature.unorderedExecution))
    throw new Refusal(ClusterStatus.notSupported);
  const { host } = session;
  // A new producer replaces an older one with the same name.
  host.endProducer(name);
  const producer = new Producer(
    name,
    flags,
    {
      bucket: bucketOf(session),
      node: host.number,
      hasCollections: session.has(Feature.collections),
      hasJson: session.has(Feature.json),
      send: (bytes) => session.send(bytes),
    },
    () => host.cuts,
  );
  session.producer = producer;
  session.answered = () => {
    producer.answeredNoops += 1;
  };
  session.onEnd(() => producer.stop());
  return {};
}

function control(request: Frame, session: Session): Reply {
  const isKnown = producerOf(session).control(
    request.key().toString('utf8'),
    request.value().toString('utf8'),
  );
  if (!isKnown) throw invalid('This is not known here');
  return {};
}

function requestStream(request: Frame, session: Session): Reply {
  const producer = producerOf(session);
  const vbucket = copyFor(request, session);
  const wanted = streamRequestOf(request, manifestOf(session));
  if (producer.wantsStreamIds && wanted.streamId === undefined)
    throw new Refusal(ClusterStatus.dcpStreamIdInvalid);
  if (producer.has(vbucket.id, wanted.streamId)) throw new Refusal(ClusterStatus.keyExists);
  const rollback = rollbackOf(wanted, vbucket);
  if (rollback !== undefined) throw new Refusal(ClusterStatus.rollback, u64(rollback));
  producer.open(request.opaque, vbucket, wanted);
  return failoverLogReply(vbucket);
}

function closeStream(request: Frame, session: Session): Reply {
  const producer = producerOf(session);
  const streamId = request
    .framing()
    ?.find(({ id }) => id === FrameId.dcpStreamId)
    ?.bytes.readUInt16BE(0);
  if (!producer.has(request.vbucket, streamId)) throw new Refusal(ClusterStatus.keyNotFound);
  producer.close(request.vbucket, streamId);
  return {};
}

function acknowledge(request: Frame, session: Session): undefined {
  const extras = request.extras();
  if (extras.length !== 4) throw invalid('Bytes are acknowledged by their number');
  producerOf(session).acknowledge(extras.readUInt32BE(0));
}

function producerOf({ producer }: Session): Producer {
  if (producer === undefined) throw invalid('No producer has been opened');
  return producer;
}
