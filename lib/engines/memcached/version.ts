/** Three numbers of a byte each, as native code packs them; 0: it is no such version. */
export function packVersion(text: string): number {
  const numbers = /^(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1) ?? [];
  return numbers.reduce((packed, number) => packed * 256 + Math.min(255, Number(number)), 0);
}
