import type { ServerAddress } from '../../cluster/connection-string';
import type { Credentials } from '../../cluster/credentials';
import { type ClusterConfig, parseClusterConfig } from '../../cluster/discovery';
import type { Tls } from '../../cluster/tls';
import type { NativeStep } from '../../native/addon';
import * as layout from '../../native/layout';
import { performanceNow } from '../../platform';
import { excerpt } from '../../text';
import type { Management } from '../management';
import { causeError } from '../network/causes';
import { SUCCESS } from '../network/dialect';
import { type Answer, inquire } from '../network/inquiry';
import { loginStep } from './handshake';
import { Status } from './statuses';

/** How to ask a server for the list of servers. */
export interface ConfigRequest {
  readonly tls: Tls | undefined;
  /** For a server that asks for them. */
  readonly credentials: Credentials | undefined;
  /** ms for one server. */
  readonly timeout: number;
}

const LONGEST_ANSWER = 1 << 18;
/** Of OP_CLUSTER_CONFIG: empty for the command, and the key of the list for servers before 1.4.14, which do not know the command. */
const ARGUMENTS = ['', 'AmazonElastiCache:cluster'] as const;

/**
 * Asks one server for the list of servers, in the text protocol, which every server of such a fleet speaks. Rejects with an
 * error whose message does not name the server, or with the signal's reason.
 */
export async function askConfig(
  server: ServerAddress,
  { tls, credentials, timeout }: ConfigRequest,
  management: Management,
  signal: AbortSignal,
): Promise<ClusterConfig> {
  const until = performanceNow() + timeout;
  // Nothing is sent before the question: a server that does not ask for the password would store it.
  let handshake: readonly NativeStep[] = [];
  const ask = (argument: string): Promise<Answer> => {
    const wire = { name: 'text', protocol: layout.PROTOCOL_MEMCACHE_META, handshake };
    const left = Math.max(1, Math.ceil(until - performanceNow()));
    const code = layout.OP_CLUSTER_CONFIG;
    const longestAnswer = LONGEST_ANSWER;
    return inquire({ server, wire, tls, code, argument, timeout: left, longestAnswer, signal }, management);
  };
  for (const argument of ARGUMENTS) {
    let answer = await ask(argument);
    if (answer.status === Status.authError) {
      if (credentials === undefined) throw causeError(layout.CAUSE_UNAUTHENTICATED);
      handshake = [loginStep(credentials)];
      answer = await ask(argument);
    }
    const { status, bytes } = answer;
    if (status === SUCCESS) return parseClusterConfig(bytes.toString());
    if (status === Status.authError) throw causeError(layout.CAUSE_CREDENTIALS);
    if (status !== Status.keyNotFound && status !== Status.unknownCommand)
      throw new Error(`the server answered: ${excerpt(bytes.toString())}`);
  }
  throw new Error('it has no list of servers');
}
