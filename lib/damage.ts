import { StorageError } from './errors';

const damages = new WeakSet<object>();

/** Of stored bytes that nobody has written like that; `what` is named in the message: a record, a block of the journal. */
export function damaged(what: string, context: Readonly<Record<string, unknown>> = {}): StorageError {
  const error = new StorageError(`${what} is damaged: its bytes are not what is written there`, { context });
  damages.add(error);
  return error;
}

/** Whether it is of one place of the file, and what is beside it can be used. */
export function isDamage(error: unknown): boolean {
  return typeof error === 'object' && error !== null && damages.has(error);
}

/** A key as its bytes, of which no more than the beginning is shown. */
export function shownBytes(key: Uint8Array): string {
  const most = 32;
  const text = Buffer.from(key.subarray(0, most)).toString('hex');
  return `0x${text}${key.length > most ? '…' : ''}`;
}
