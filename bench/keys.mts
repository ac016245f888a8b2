// Keys of 20 bytes and values that name their key, so that an answer to another operation is noticed. All of it is
// ASCII: a client may move values as strings or as buffers and their lengths agree.

export const keySize = 20;

export function makeKeys(prefix: string, count: number): string[] {
  return Array.from(
    { length: count },
    (_, i) => `${prefix}:${String(i).padStart(keySize - prefix.length - 1, '0')}`,
  );
}

/** The value of `key`: the key again and again, `size` bytes. */
export function makeValue(key: string, size: number): Buffer {
  return Buffer.alloc(size, key, 'latin1');
}

export function isValueOf(key: string, value: Buffer | string): boolean {
  const tail = value.length % key.length;
  if (typeof value === 'string') {
    return value.startsWith(key) && value.endsWith(key.slice(0, tail));
  }
  return (
    value.toString('latin1', 0, key.length) === key &&
    value.toString('latin1', value.length - tail) === key.slice(0, tail)
  );
}
