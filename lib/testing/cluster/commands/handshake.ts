import type { Frame } from '../frame';
import { u16 } from '../numbers';
import { ClusterOpcode, ClusterStatus, Feature } from '../protocol';
import { invalid, Refusal } from '../refusal';
import { ScramExchange } from '../scram';
import type { Reply, Session } from '../session';
import { type Commands, forAnybody, forUsers } from './command';

const PLAIN = 'PLAIN';
/** Selecting this name deselects the bucket. */
const NO_BUCKET = '@no bucket@';

export const handshakeCommands: Commands = [
  [ClusterOpcode.hello, forAnybody(hello)],
  [ClusterOpcode.getErrorMap, forAnybody(getErrorMap)],
  [ClusterOpcode.saslListMechs, forAnybody(listMechanisms)],
  [ClusterOpcode.saslAuth, forAnybody(authenticate)],
  [ClusterOpcode.saslStep, forAnybody(step)],
  [ClusterOpcode.selectBucket, forUsers(selectBucket)],
  [ClusterOpcode.listBuckets, forUsers((_request, { host }) => text(host.bucketNames().join(' ')))],
  [ClusterOpcode.version, forAnybody((_request, { host }) => text(host.serverVersion))],
  [ClusterOpcode.noop, forAnybody(() => ({}))],
  [ClusterOpcode.quit, forAnybody(() => 'quit')],
  [ClusterOpcode.quitq, forAnybody(() => 'quit')],
];

function hello(request: Frame, session: Session): Reply {
  const value = request.value();
  if (request.extrasLength > 0 || value.length % 2 !== 0) throw invalid('HELLO lists features of two bytes');
  const asked = Array.from({ length: value.length / 2 }, (_, index) => value.readUInt16BE(2 * index));
  const granted = session.grant(asked);
  request.hasCollections = session.has(Feature.collections);
  return { value: u16(...granted) };
}

function getErrorMap(request: Frame, { host }: Session): Reply {
  if (request.valueLength !== 2) throw invalid('An error map is asked for by its version');
  return text(host.errorMap);
}

function listMechanisms(_request: Frame, { host }: Session): Reply {
  return text(host.mechanisms.join(' '));
}

function authenticate(request: Frame, session: Session): Reply {
  const { host } = session;
  const mechanism = request.key().toString('latin1');
  session.isAuthenticated = false;
  session.exchange = undefined;
  if (!host.mechanisms.includes(mechanism)) throw new Refusal(ClusterStatus.authError);
  if (mechanism === PLAIN) return plain(request.value().toString('utf8'), session);
  const verifier = host.verifiers.of(mechanism);
  if (verifier === undefined) throw new Refusal(ClusterStatus.authError);
  const exchange = new ScramExchange(host.credentials.username, verifier);
  const challenge = exchange.begin(request.value().toString('utf8'));
  if (challenge === undefined) throw invalid('This is no first message of SCRAM');
  session.exchange = exchange;
  return { status: ClusterStatus.authContinue, value: Buffer.from(challenge) };
}

function step(request: Frame, session: Session): Reply {
  const { exchange } = session;
  session.exchange = undefined;
  const signature = exchange?.finish(request.value().toString('utf8'));
  if (signature === undefined) throw new Refusal(ClusterStatus.authError);
  session.isAuthenticated = true;
  return text(signature);
}

function plain(message: string, session: Session): Reply {
  const { username, password } = session.host.credentials;
  const [, user, given, ...more] = message.split('\0');
  if (user !== username || given !== password || more.length > 0) throw new Refusal(ClusterStatus.authError);
  session.isAuthenticated = true;
  return {};
}

function selectBucket(request: Frame, session: Session): Reply {
  const name = request.key().toString('utf8');
  if (name === NO_BUCKET) {
    session.bucket = undefined;
    return {};
  }
  const bucket = session.host.bucket(name);
  if (bucket === undefined) throw new Refusal(ClusterStatus.accessDenied);
  session.bucket = bucket;
  return {};
}

function text(value: string): Reply {
  return { value: Buffer.from(value) };
}
