import { AuthenticationError } from '../../errors';
import { isError } from '../../foreign';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { protocolFault } from './causes';
import type { Dialog, Wire } from './dialect';

interface Attempt {
  readonly number: number;
  readonly dialog: Dialog;
  /** Why the dialog went no further. */
  fault: Error | undefined;
}

/** The handshakes of a client, as far as JavaScript has a part in them or knows why they failed. */
export class Handshakes {
  readonly #native: Pick<NativeClient, 'continueHandshake'>;
  readonly #wire: Wire | undefined;
  /** By connection. */
  readonly #current = new Map<number, Attempt>();

  constructor(native: Pick<NativeClient, 'continueHandshake'>, wire: Wire | undefined) {
    this.#native = native;
    this.#wire = wire;
  }

  /** The step with this index was answered. */
  async answered(connection: number, number: number, step: number, value: Buffer): Promise<void> {
    const attempt = this.#attempt(connection, number);
    if (attempt === undefined) return;
    let request: Uint8Array | undefined;
    try {
      request = await attempt.dialog.answer(step, value);
    } catch (error) {
      // Without a request the attempt ends, as one whose credentials are refused.
      attempt.fault = authenticationError(error);
    }
    this.#native.continueHandshake(connection, number, request);
  }

  /** An attempt on the connection has ended at this step. Why, if more is known than the cause says. */
  ended(connection: number, cause: number, step: number): Error | undefined {
    const fault = this.#current.get(connection)?.fault;
    this.#current.delete(connection);
    if (cause === layout.CAUSE_CREDENTIALS) return fault;
    const refusal = cause === layout.CAUSE_HANDSHAKE ? this.#wire?.handshake[step]?.refusal : undefined;
    return refusal === undefined ? undefined : protocolFault(refusal);
  }

  #attempt(connection: number, number: number): Attempt | undefined {
    const current = this.#current.get(connection);
    const begin = this.#wire?.dialog;
    if (current?.number === number || begin === undefined) return current;
    const attempt = { number, dialog: begin(), fault: undefined };
    this.#current.set(connection, attempt);
    return attempt;
  }
}

function authenticationError(error: unknown): AuthenticationError {
  if (error instanceof AuthenticationError) return error;
  return new AuthenticationError(`the login failed: ${isError(error) ? error.message : error}`, {
    cause: error,
  });
}
