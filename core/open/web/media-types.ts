/** Which kind of answer a client accepts (RFC 9110, 12.5.1; PS3.18, 8.7). */

export interface MediaRange {
  /** `multipart/related`, `image/*`, in lower case. */
  readonly type: string;
  /** By lower-case name, without the quotes. */
  readonly parameters: Readonly<Record<string, string>>;
}

const longestAccept = 4096;
const mostRanges = 32;

/** Reads `Accept`, the most wanted first; what is refused (`q=0`) is left out. Absent or unreadable means anything. */
export function parseAccept(accept: string | undefined): readonly MediaRange[] {
  const anything = [{ type: '*/*', parameters: {} }];
  if (accept === undefined || accept.trim() === '') return anything;
  const ranges = splitOutsideQuotes(accept.slice(0, longestAccept), ',').slice(0, mostRanges).map(parseRange);
  const wanted = ranges.map((range) => ({ range, quality: qualityOf(range) })).filter(({ quality }) => quality > 0);
  // Sorting is stable: of equally wanted ones the first.
  return wanted.toSorted((a, b) => b.quality - a.quality).map(({ range }) => range);
}

/** @returns whether a range includes a type. */
export function includesType(range: string, type: string): boolean {
  if (range === '*/*' || range === type) return true;
  return range.endsWith('/*') && type.startsWith(range.slice(0, -1));
}

function qualityOf({ parameters: { q } }: MediaRange): number {
  const quality = q === undefined ? 1 : Number(q);
  return Number.isNaN(quality) ? 0 : quality;
}

function parseRange(text: string): MediaRange {
  const [type = '', ...parameters] = splitOutsideQuotes(text, ';');
  const entries = parameters.map((parameter) => {
    const equals = parameter.indexOf('=');
    const value = parameter.slice(equals + 1).trim();
    return [parameter.slice(0, equals).trim().toLowerCase(), value.replace(/^"(.*)"$/, '$1')];
  });
  return { type: type.trim().toLowerCase(), parameters: Object.fromEntries(entries) };
}

function splitOutsideQuotes(text: string, separator: string): readonly string[] {
  const parts = [''];
  let quoted = false;
  for (const character of text) {
    if (character === '"') quoted = !quoted;
    if (character === separator && !quoted) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts;
}
