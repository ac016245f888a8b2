const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
};

/** A letter for each byte; what toString('latin1', …) comes down to. */
export const latin1 = (bytes: Uint8Array, start = 0, end = bytes.length): string =>
  latin1Slice.call(bytes, start, end);
