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
  readonly speaksMeta: boolean;
  authenticated: boolean;
  /** SASL: a mechanism has been chosen, and what proves the user is still to come. */
  saslStarted: boolean;
}
