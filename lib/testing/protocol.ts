/**
 * Constants of memcached's binary protocol (memcached's `protocol_binary.h`), written here a second time on purpose:
 * this server is the oracle of the native codec and shares nothing with it.
 */

export const HEADER_BYTES = 24;
export const REQUEST_MAGIC = 0x80;
export const RESPONSE_MAGIC = 0x81;

/** Longest key, in bytes. */
export const MAX_KEY_BYTES = 250;

/** Request expiries above this many seconds (30 days) are absolute Unix times. */
export const MAX_RELATIVE_SECONDS = 60 * 60 * 24 * 30;

/** Expiry of INCREMENT and DECREMENT that means: do not create a missing counter. */
export const NO_CREATE = 0xffffffff;

export const Opcode = {
  get: 0x00,
  set: 0x01,
  add: 0x02,
  replace: 0x03,
  delete: 0x04,
  increment: 0x05,
  decrement: 0x06,
  quit: 0x07,
  flush: 0x08,
  getq: 0x09,
  noop: 0x0a,
  version: 0x0b,
  getk: 0x0c,
  getkq: 0x0d,
  append: 0x0e,
  prepend: 0x0f,
  stat: 0x10,
  setq: 0x11,
  addq: 0x12,
  replaceq: 0x13,
  deleteq: 0x14,
  incrementq: 0x15,
  decrementq: 0x16,
  quitq: 0x17,
  flushq: 0x18,
  appendq: 0x19,
  prependq: 0x1a,
  verbosity: 0x1b,
  touch: 0x1c,
  gat: 0x1d,
  gatq: 0x1e,
  saslListMechs: 0x20,
  saslAuth: 0x21,
  saslStep: 0x22,
  gatk: 0x23,
  gatkq: 0x24,
} as const;

export type OpcodeName = keyof typeof Opcode;

export const Status = {
  success: 0x00,
  keyNotFound: 0x01,
  keyExists: 0x02,
  tooLarge: 0x03,
  invalidArguments: 0x04,
  notStored: 0x05,
  nonNumeric: 0x06,
  authError: 0x20,
  authContinue: 0x21,
  unknownCommand: 0x81,
  outOfMemory: 0x82,
} as const;

/** The texts memcached 1.6 sends as the body of an error. */
const statusTexts = new Map<number, string>([
  [Status.keyNotFound, 'Not found'],
  [Status.keyExists, 'Data exists for key.'],
  [Status.tooLarge, 'Too large.'],
  [Status.invalidArguments, 'Invalid arguments'],
  [Status.notStored, 'Not stored.'],
  [Status.nonNumeric, 'Non-numeric server-side value for incr or decr'],
  [Status.authError, 'Auth failure.'],
  [Status.unknownCommand, 'Unknown command'],
  [Status.outOfMemory, 'Out of memory'],
]);

const statusBodies = new Map<number, Buffer>();
for (const [status, text] of statusTexts) statusBodies.set(status, Buffer.from(text, 'latin1'));

const noBody = Buffer.alloc(0);

/** The body memcached sends with `status`, empty for a status it never sends. */
export function statusBody(status: number): Buffer {
  return statusBodies.get(status) ?? noBody;
}
