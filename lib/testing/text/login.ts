import { isUser } from '../credentials';
import { Opcode } from '../protocol';
import { uint32 } from './numbers';
import { type Plan, saying } from './plan';
import { wordsOf } from './words';

/** Longest `username password`. */
const MAX_TOKEN_BYTES = 2048;

/**
 * A line of a connection that is still to say who it is: `set <any key> 0 0 <bytes>` before `username password`, as
 * `memcached -Y` wants it. Everything else is refused, and the connection goes on.
 */
export function readLogin(line: string): Plan {
  const [command, key = '', , , length = ''] = wordsOf(line);
  const block = uint32(length);
  if (command !== 'set' || block === undefined)
    return saying('CLIENT_ERROR unauthenticated', Opcode.saslAuth);
  if (block > MAX_TOKEN_BYTES)
    return { ...saying('CLIENT_ERROR auth token too long', Opcode.saslAuth), ends: true };
  return {
    opcode: Opcode.saslAuth,
    keys: [key],
    block,
    run: ({ answers, counters, credentials }, given) => {
      const [username, password] = wordsOf(given.block.toString('utf8'));
      if (!given.isWhole) return answers.line('CLIENT_ERROR bad command line termination');
      if (username === undefined || password === undefined)
        return answers.line('CLIENT_ERROR bad authentication token format');
      counters.auth_cmds += 1;
      if (credentials === undefined || isUser(credentials, username, password)) {
        given.session.authenticated = true;
        return answers.line('STORED');
      }
      counters.auth_errors += 1;
      answers.line('CLIENT_ERROR authentication failure');
    },
  };
}
