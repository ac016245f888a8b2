import {
  AuthenticationError,
  type ErrorContext,
  type EvenkeelError,
  InvalidArgumentError,
  ServerError,
  UnsupportedError,
} from '../../errors';
import { Kind, nameOf, type Operation } from '../../transactions/operation';
import { existsError, notFoundError } from '../network/status-errors';

// memcached's protocol_binary.h.
export const Status = {
  keyNotFound: 0x01,
  keyExists: 0x02,
  tooLarge: 0x03,
  invalidArguments: 0x04,
  notStored: 0x05,
  notNumeric: 0x06,
  authError: 0x20,
  authContinue: 0x21,
  unknownCommand: 0x81,
  outOfMemory: 0x82,
  busy: 0x85,
  temporaryFailure: 0x86,
} as const;

/** The error for a status other than success and a miss with a result. `text` is the server's message. */
export function statusError(
  operation: Operation,
  status: number,
  text: string,
  context: ErrorContext,
): EvenkeelError {
  const op = nameOf(operation.kind);
  const words = text === '' ? '' : `: ${text}`;
  if (
    operation.kind === Kind.serverStats &&
    (status === Status.keyNotFound || status === Status.unknownCommand)
  )
    return new UnsupportedError(`${op}: the server has no such group of statistics`, { context });
  switch (status) {
    case Status.keyNotFound:
    case Status.notStored:
      return notFoundError(op, context);
    case Status.keyExists:
      return existsError(operation.kind === Kind.insert, op, context);
    case Status.tooLarge:
      return new InvalidArgumentError(`${op}: the value is larger than the server accepts`, {
        context: { ...context, argument: 'value' },
      });
    case Status.notNumeric:
      return new ServerError(`${op}: the stored value is not a counter`, { context });
    case Status.authError:
    case Status.authContinue:
      return new AuthenticationError(`${op}: the server wants authentication`, { context });
    case Status.unknownCommand:
      return new UnsupportedError(`${op}: this memcached server does not know the command`, { context });
    case Status.outOfMemory:
    case Status.busy:
    case Status.temporaryFailure:
      return new ServerError(`${op}: the server is out of resources${words}`, { context, retryable: true });
    default:
      return new ServerError(`${op}: the server answered with status 0x${status.toString(16)}${words}`, {
        context,
      });
  }
}
