import type { NativeClient } from '../../native/addon';
import type { Dialog } from './dialect';

/** The handshakes in which JavaScript has a part, by connection. */
export class Handshakes {
  readonly #native: Pick<NativeClient, 'continueHandshake'>;
  readonly #current = new Map<number, { readonly attempt: number; readonly dialog: Dialog }>();

  constructor(native: Pick<NativeClient, 'continueHandshake'>) {
    this.#native = native;
  }

  /** The step with this index was answered; `begin`: of an attempt that is new. */
  async answered(
    connection: number,
    attempt: number,
    step: number,
    value: Buffer,
    begin: () => Dialog,
  ): Promise<void> {
    let current = this.#current.get(connection);
    if (current?.attempt !== attempt) {
      current = { attempt, dialog: begin() };
      this.#current.set(connection, current);
    }
    let request: Uint8Array | undefined;
    try {
      request = await current.dialog.answer(step, value);
    } catch {
      // Without a request the attempt ends, as one whose credentials are refused.
    }
    this.#native.continueHandshake(connection, attempt, request);
  }
}
