import type { Frame } from '../frame';
import type { Reply, Session } from '../session';

/** What a command may be given by: anybody, a user, or a user who has chosen a bucket. */
export type Audience = 'anybody' | 'user' | 'bucket';

/**
 * Executes a request. No answer is `undefined`: there is none at all, or it comes later. Ends with a `Refusal` otherwise.
 * 'quit' ends the connection.
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
