// C0, DEL and C1; what ends a line elsewhere; what turns the direction of writing.
const CONTROLS = /[\p{Cc}\u2028\u2029\p{Bidi_Control}]/gu;
const CONTROLS_WITHIN_LINES = /(?![\n\t])[\p{Cc}\u2028\u2029\p{Bidi_Control}]/gu;
// Nearly every text, found out in a fraction of the time.
const PLAIN = /^[ -~]*$/;

/**
 * Text that servers, files, keys or values have a part in, harmless to a terminal and a log: control characters, and those
 * that turn the direction of writing, are spelt `\u001b`, which JSON reads back. Line breaks and tabs stay.
 */
export function escapeControls(text: string): string {
  return PLAIN.test(text) ? text : text.replace(CONTROLS_WITHIN_LINES, spell);
}

/** The same for what is a part of a line: nothing breaks it, and of a long text only the beginning is left. */
export function excerpt(text: string, most = 80): string {
  const short = shorten(text, most);
  return PLAIN.test(short) ? short : short.replace(CONTROLS, spell);
}

/** The first `most` UTF-16 code units. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, most).replace(/[\ud800-\udbff]$/, '')}…`;
}

function spell(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
