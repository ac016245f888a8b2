import type { CommandContext } from './commands';
import type { HeaderLies, RequestAction } from './faults';
import type { ReceivedCommand } from './recording';

/** What becomes of a connection after a request: it goes on, or the rest of its bytes are dropped. */
export type Verdict = 'continue' | 'stop';

/** One request of any protocol, as faults and recordings see it. */
export interface AnyRequest {
  /** The operation, as the binary protocol numbers it. */
  readonly opcode: number;
  /** The keys, as UTF-8. */
  keys(): string[];
  received(): Omit<ReceivedCommand, 'connection'>;
}

/** What a connection is allowed to do. */
export interface Session {
  authenticated: boolean;
  /** SASL: a mechanism has been chosen, and what proves the user is still to come. */
  saslStarted: boolean;
}

/** What a protocol does with its requests, and how it lies where a fault wants that. */
export interface Dialect<Request extends AnyRequest> {
  /** Executes a request and adds its answer, if it has one, to `context.answers`. */
  execute(request: Request, context: CommandContext, session: Session): Verdict;
  /** Whether the protocol has what `action` falsifies. */
  knows(action: RequestAction, request: Request): boolean;
  /** The answer under another opaque; default: one that is not the request's. */
  withOpaque(request: Request, answer: Buffer, opaque: number | undefined): Buffer;
  withHeader(answer: Buffer, lies: HeaderLies): Buffer;
  refusal(request: Request, status: number, body: string | Uint8Array | undefined): Buffer;
  /** The beginning of an answer with a value of that many bytes. */
  announcement(request: Request, bytes: number): Buffer;
  /** An answer to something that nobody asked. */
  unasked(request: Request): Buffer;
}
