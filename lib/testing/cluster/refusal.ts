import { ClusterStatus } from './protocol';

/** Thrown by a command to fail with a status. */
export class Refusal extends Error {
  readonly status: number;
  /** The body of the response: a JSON object, or bytes. */
  readonly body: Readonly<Record<string, unknown>> | Buffer | undefined;
  /** Whether body bytes are JSON. */
  readonly isJson: boolean;

  constructor(status: number, body?: Readonly<Record<string, unknown>> | Buffer, isJson = false) {
    super(`refused with the status 0x${status.toString(16)}`);
    this.status = status;
    this.body = body;
    this.isJson = isJson;
  }
}

/** For malformed requests; `context` is for people. */
export function invalid(context: string): Refusal {
  return new Refusal(ClusterStatus.invalidArguments, { error: { context } });
}
