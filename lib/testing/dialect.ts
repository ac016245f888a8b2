import type { HeaderLies, RequestAction } from './faults';
import type { AnyRequest, Verdict } from './requests';

/** What a protocol does with its requests, and how it lies where a fault wants that. */
export interface Dialect<Request extends AnyRequest> {
  /** Executes a request and adds its answer, if it has one, to the answers of the server. */
  execute(request: Request): Verdict;
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
