import type { CommandContext } from '../commands';
import { isUser } from '../credentials';
import { Opcode, Status } from '../protocol';
import type { Session, Verdict } from '../requests';
import type { Request } from './parser';

const MECHANISM = 'PLAIN';
const mechanisms = Buffer.from(MECHANISM, 'latin1');
const authenticated = Buffer.from('Authenticated', 'latin1');

const OPEN: ReadonlySet<number> = new Set([
  Opcode.saslListMechs,
  Opcode.saslAuth,
  Opcode.saslStep,
  Opcode.version,
]);

/** Whether a command may be given before authentication. */
export function isOpenToAll(opcode: number): boolean {
  return OPEN.has(opcode);
}

/** The commands of SASL, as memcached has them with `-S`; undefined for lengths that do not suit the command. */
export function sasl(request: Request, context: CommandContext, session: Session): Verdict | undefined {
  const { opcode, extrasLength, keyLength, totalBody } = request;
  const { answers, credentials, counters } = context;
  const listing = opcode === Opcode.saslListMechs;
  if (listing ? totalBody !== 0 : extrasLength !== 0 || keyLength === 0) return undefined;
  if (credentials === undefined) {
    answers.error(request, Status.unknownCommand);
    return 'continue';
  }
  // As in memcached: who begins again is nobody until it has succeeded again.
  session.authenticated = false;
  if (listing) {
    answers.text(request, mechanisms);
    return 'continue';
  }
  // PLAIN needs no second step, unless its first came without what it is about.
  const proof = request.value();
  if (opcode === Opcode.saslAuth) {
    session.saslStarted = request.key() === MECHANISM;
    if (session.saslStarted && proof.length === 0) {
      answers.error(request, Status.authContinue);
      return 'continue';
    }
  }
  counters.auth_cmds += 1;
  const [identity = '', user = '', password = '', ...more] = proof.toString('utf8').split('\0');
  const proven =
    session.saslStarted &&
    more.length === 0 &&
    (identity === '' || identity === user) &&
    isUser(credentials, user, password);
  session.saslStarted = false;
  if (proven) {
    session.authenticated = true;
    answers.text(request, authenticated);
  } else {
    counters.auth_errors += 1;
    answers.error(request, Status.authError);
  }
  return 'continue';
}
