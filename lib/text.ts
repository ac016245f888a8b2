// C0, DEL and C1; line separators; characters that change the text direction.
const CONTROLS = /[\p{Cc}\u2028\u2029\p{Bidi_Control}]/gu;
const CONTROLS_WITHIN_LINES = /(?![\n\t])[\p{Cc}\u2028\u2029\p{Bidi_Control}]/gu;
// A fast check for nearly all texts.
const PLAIN = /^[ -~]*$/;

/**
 * Makes text with parts from servers, files, keys or values safe for terminals and logs: control characters, and those
 * that change the text direction, are written as `\u001b`, which JSON can parse. Line breaks and tabs are kept.
 */
export function escapeControls(text: string): string {
  return PLAIN.test(text) ? text : text.replace(CONTROLS_WITHIN_LINES, spell);
}

/** The same for part of a line: line breaks are escaped too, and a long text is cut. */
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
