/** Three numbers of one byte each, packed as in native code; 0 for any other text. */
export function packVersion(text: string): number {
  const numbers = /^(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1) ?? [];
  return numbers.reduce((packed, number) => packed * 256 + Math.min(255, Number(number)), 0);
}
