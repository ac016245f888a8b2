import { getSystemErrorName } from 'node:util';
import * as layout from '../../native/layout';

const PROTOCOL: Readonly<Record<number, string>> = {
  [layout.CAUSE_BAD_MAGIC]: 'the server does not speak the binary protocol (bad magic byte)',
  [layout.CAUSE_BAD_LENGTHS]: 'the server sent a header whose lengths contradict each other',
  [layout.CAUSE_UNKNOWN_OPAQUE]: 'the server answered a request that was not made',
  [layout.CAUSE_WRONG_OPCODE]: 'the server answered with the opcode of another request',
  [layout.CAUSE_TOO_LARGE]: 'the server announced an answer above the limit (maxValueSize)',
  [layout.CAUSE_SILENCE]: 'the server owed answers and said nothing for too long',
  [layout.CAUSE_END_OF_STREAM]: 'the server closed the connection',
  [layout.CAUSE_HANDSHAKE]: 'the server refused the handshake',
};

/** The error behind a cause code of native code: a system error with its `code`, or a breach of the protocol. */
export function causeError(cause: number): Error {
  if (cause > layout.CAUSE_PROTOCOL) {
    return Object.assign(new Error(PROTOCOL[cause] ?? `protocol fault ${cause}`), { code: 'EPROTO' });
  }
  const code = getSystemErrorName(-cause);
  return Object.assign(new Error(`connection failed: ${code}`), { code, errno: -cause });
}
