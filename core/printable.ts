/**
 * Text from outside, made safe to show: names of files, members of archives, and what servers call themselves may hold
 * characters that move the cursor, colour the screen, or reverse the order in which a line is read.
 */

/**
 * Control characters (C0, DEL, C1), format characters (bidirectional marks, zero-width ones, tags), separators of lines
 * and paragraphs, and halves of surrogate pairs: everything that has an effect and no shape of its own.
 */
const shapeless = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Longest text from outside that is shown in one piece. */
const longestShown = 1000;

/** @returns the text with every character that would act on a terminal written out as `\u009b`. */
export function printable(text: string): string {
  return text.replace(shapeless, escaped);
}

/** @returns a value as one line of JSON that means the same and holds nothing that would act on a terminal. */
export function printableJson(value: unknown): string {
  // Outside of texts JSON has no such characters, and within texts `\uXXXX` stands for the character itself.
  return (JSON.stringify(value) ?? 'null').replace(shapeless, escaped);
}

/** @returns a text cut to a length that can be shown, with a note of how long it was. */
export function shortened(text: string, longest = longestShown): string {
  if (text.length <= longest) return text;
  return `${text.slice(0, longest).toWellFormed()}… (${text.length} characters)`;
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
