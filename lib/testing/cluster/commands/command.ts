import type { Frame } from '../frame';
import type { Reply, Session } from '../session';

/** Who may run a command: anybody, an authenticated user, or a user who has selected a bucket. */
export type Audience = 'anybody' | 'user' | 'bucket';

/**
 * Executes a request. Returns undefined if there is no response or it is sent later; 'quit' ends the connection. Throws a
 * `Refusal` if the command fails.
 */
export type Execute = (request: Frame, session: Session) => Reply | readonly Reply[] | undefined | 'quit';

export interface Command {
  readonly audience: Audience;
  readonly execute: Execute;
}

/** Commands by their opcodes. */
export type Commands = readonly (readonly [opcode: number, command: Command])[];

export function forAnybody(execute: Execute): Command {
  return { audience: 'anybody', execute };
}

export function forUsers(execute: Execute): Command {
  return { audience: 'user', execute };
}

export function ofBucket(execute: Execute): Command {
  return { audience: 'bucket', execute };
}
