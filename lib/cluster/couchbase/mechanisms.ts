import { invalidArgument, shown } from '../../arguments';
import { AuthenticationError } from '../../errors';
import type { Credentials } from '../credentials';
import type { ScramMechanism } from './scram';

/** How a client proves who it is. */
export type Mechanism = ScramMechanism | 'PLAIN';

const SCRAM: readonly ScramMechanism[] = ['SCRAM-SHA512', 'SCRAM-SHA256', 'SCRAM-SHA1'];
const ALL: readonly Mechanism[] = [...SCRAM, 'PLAIN'];
const LONGEST_LIST = 4096;

/** How safe the connection is on which it is said. */
export interface Safety {
  readonly isEncrypted: boolean;
  /** The server has proven by its certificate who it is. */
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
 * Those that may be used, the best one first: the one that was asked for, and no other; otherwise PLAIN only where nobody else can hear
 * it. There it is the best, because a server that asks elsewhere for its users knows nothing else.
 */
export function mechanismsFor(
  { isEncrypted, isVerified }: Safety,
  asked: Mechanism | undefined,
): readonly Mechanism[] {
  if (asked !== undefined) return [asked];
  return isEncrypted && isVerified ? ['PLAIN', ...SCRAM] : SCRAM;
}

/** The best of those that a server offers, as SASL_LIST_MECHS answers it. Throws AuthenticationError when it is none of them. */
export function chooseMechanism(offered: string, usable: readonly Mechanism[]): Mechanism {
  const names = offered.slice(0, LONGEST_LIST).split(' ');
  const chosen = usable.find((mechanism) => names.includes(mechanism));
  if (chosen !== undefined) return chosen;
  const why = names.includes('PLAIN') ? '; PLAIN would need TLS with a verified certificate' : '';
  throw new AuthenticationError(
    `authentication: the server takes ${shown(offered)}, and none of ${usable.join(', ')}${why}`,
  );
}

/** All that is said with PLAIN (RFC 4616). */
export const plainMessage = ({ username, password }: Credentials): string => `\0${username}\0${password}`;
