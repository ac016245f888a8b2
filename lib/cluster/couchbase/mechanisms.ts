import { invalidArgument, shown } from '../../arguments';
import { AuthenticationError } from '../../errors';
import type { Credentials } from '../credentials';
import type { ScramMechanism } from './scram';

/** The supported SASL mechanisms. */
export type Mechanism = ScramMechanism | 'PLAIN';

const SCRAM: readonly ScramMechanism[] = ['SCRAM-SHA512', 'SCRAM-SHA256', 'SCRAM-SHA1'];
const ALL: readonly Mechanism[] = [...SCRAM, 'PLAIN'];
const LONGEST_LIST = 4096;

/** The security of a connection. */
export interface Safety {
  readonly isEncrypted: boolean;
  /** The certificate of the server was verified. */
  readonly isVerified: boolean;
}

/** Throws InvalidArgumentError, which names the argument. */
export function checkMechanism(argument: string, given: unknown): Mechanism | undefined {
  const known = ALL.find((mechanism) => mechanism === given);
  if (known === undefined && given !== undefined)
    throw invalidArgument(argument, `${argument} is one of ${ALL.join(', ')}, not ${shown(given)}`);
  return known;
}

/**
 * The mechanisms that may be used, in order of preference. `asked`: the user's choice, which is then the only one.
 * Otherwise PLAIN is used only on verified TLS connections. There it comes first, because servers with external users
 * (LDAP) support nothing else.
 */
export function mechanismsFor(
  { isEncrypted, isVerified }: Safety,
  asked: Mechanism | undefined,
): readonly Mechanism[] {
  if (asked !== undefined) return [asked];
  return isEncrypted && isVerified ? ['PLAIN', ...SCRAM] : SCRAM;
}

/**
 * The preferred one among the mechanisms in the answer to SASL_LIST_MECHS. Throws AuthenticationError if there is none.
 */
export function chooseMechanism(offered: string, usable: readonly Mechanism[]): Mechanism {
  const names = offered.slice(0, LONGEST_LIST).split(' ');
  const chosen = usable.find((mechanism) => names.includes(mechanism));
  if (chosen !== undefined) return chosen;
  const why =
    usable.length > 1 && names.includes('PLAIN') ? '; PLAIN requires TLS with a verified certificate' : '';
  throw new AuthenticationError(
    `authentication: the server supports ${shown(offered)} but not ${usable.join(', ')}${why}`,
  );
}

/** The only message of PLAIN (RFC 4616). */
export const plainMessage = ({ username, password }: Credentials): string => `\0${username}\0${password}`;
