import { StorageError } from './errors';

const damages = new WeakSet<object>();

/**
 * The error for stored bytes that cannot have been written that way; the message names `what`: a record, a block of the
 * journal.
 */
export function damaged(what: string, context: Readonly<Record<string, unknown>> = {}): StorageError {
  const error = new StorageError(`${what} is damaged: its bytes cannot have been written like that`, {
    context,
  });
  damages.add(error);
  return error;
}

/** Whether the damage is limited to one place of the file, so that the rest remains usable. */
export function isDamage(error: unknown): boolean {
  return typeof error === 'object' && error !== null && damages.has(error);
}

/** The bytes of a key for messages; long keys are cut. */
export function shownBytes(key: Uint8Array): string {
  const most = 32;
  const text = Buffer.from(key.subarray(0, most)).toString('hex');
  return `0x${text}${key.length > most ? '…' : ''}`;
}
