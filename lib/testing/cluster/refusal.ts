import { ClusterStatus } from './protocol';

/** Ends a command with this status. */
export class Refusal extends Error {
  readonly status: number;
  /** What is answered beside the status: members of the JSON that the protocol has for it, or these bytes. */
  readonly body: Readonly<Record<string, unknown>> | Buffer | undefined;
  /** The bytes are JSON. */
  readonly isJson: boolean;

  constructor(status: number, body?: Readonly<Record<string, unknown>> | Buffer, isJson = false) {
    super(`refused with the status 0x${status.toString(16)}`);
    this.status = status;
    this.body = body;
    this.isJson = isJson;
  }
}

/** For requests whose parts do not suit the command, with a sentence for people. */
export function invalid(context: string): Refusal {
  return new Refusal(ClusterStatus.invalidArguments, { error: { context } });
}
