/**
 * Text from outside, made safe to show: names of files, members of archives, and what servers call themselves may hold
 * characters that move the cursor, colour the screen, or reverse the order in which a line is read.
 */

/**
 * Control characters (C0, DEL, C1), format characters (bidirectional marks, zero-width ones, tags), separators of lines
 * and paragraphs, and halves of surrogate pairs: everything that has an effect and no shape of its own. Not the tab, and
 * not the joiners, without which Persian and Indian names and some emoji are not what they are.
 */
const shapeless = /(?![\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** @returns the text with every character that would act on a terminal written out as `\u009b`. */
export function printable(text: string): string {
  return text.replace(shapeless, escaped);
}

/**
 * @returns a value as JSON that means the same and holds nothing that would act on a terminal: in one line, or indented.
 */
export function printableJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, undefined, indent) ?? 'null';
  // Within texts `\uXXXX` stands for the character itself; outside of them there are none but those that indent.
  return json.replace(shapeless, (character) => (character === '\n' ? character : escaped(character)));
}

/** @returns a text of at most `longest` characters and a note of its length: its beginning, and its last quarter. */
export function shortenedAmid(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const endLength = Math.floor(longest / 4);
  const begin = text.slice(0, longest - endLength).toWellFormed();
  return `${begin}… (${text.length} characters) …${text.slice(-endLength).toWellFormed()}`;
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
