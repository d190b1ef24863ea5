/** Whether the value of an attribute is what a query asks for (PS3.4, C.2.2.2; PS3.18, 8.3.4.1). Pure. */

/** What one attribute is asked for. */
export interface AttributeQuery {
  readonly tag: number;
  readonly vr: string;
  /** Any of these; none asks for the attribute whatever its value. */
  readonly wanted: readonly string[];
  /** Whether names match by their beginnings, without regard to case and accents. */
  readonly fuzzy: boolean;
}

const rangeVrs = new Set(['DA', 'DT', 'TM']);

/** @param values the values of the attribute; none where it is absent or empty */
export function matches(query: AttributeQuery, values: readonly string[]): boolean {
  if (asksAnything(query)) return true;
  return values.some((value) => query.wanted.some((one) => matchesOne(query, one, value)));
}

/** Whether everything matches. */
export function asksAnything({ wanted }: AttributeQuery): boolean {
  return wanted.length === 0 || wanted.some((one) => /^\*+$/.test(one));
}

function matchesOne({ vr, fuzzy }: AttributeQuery, wanted: string, value: string): boolean {
  if (rangeVrs.has(vr) && wanted.includes('-')) return isInRange(wanted, value);
  if (vr === 'PN') return matchesName(wanted, value, fuzzy);
  return matchesText(wanted, value);
}

/** Without regard to case, as Orthanc searches unless it is told otherwise. */
function matchesText(wanted: string, value: string): boolean {
  return matchesWildcard(wanted.toLowerCase(), value.toLowerCase());
}

/** The components of a name that are not asked for do not count: `Doe*` finds `DOE^JANE=…`. */
function matchesName(wanted: string, value: string, fuzzy: boolean): boolean {
  const names = [value, ...value.split('=')];
  if (!fuzzy) return names.some((name) => matchesText(wanted, name));
  const words = wordsOf(value);
  return wordsOf(wanted).every((begin) => words.some((word) => word.startsWith(begin)));
}

function wordsOf(name: string): readonly string[] {
  const plain = name.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
  return plain.split(/[\s^=*?,]+/).filter((word) => word !== '');
}

/**
 * `*` stands for any characters, `?` for one. In at most the product of both lengths of steps, whatever the pattern: a
 * regular expression can be made to take for ever.
 */
function matchesWildcard(pattern: string, text: string): boolean {
  let [inPattern, inText, lastStar, textAtStar] = [0, 0, -1, 0];
  while (inText < text.length) {
    if (pattern[inPattern] === '*') {
      [lastStar, textAtStar] = [inPattern, inText];
      inPattern += 1;
    } else if (pattern[inPattern] === '?' || pattern[inPattern] === text[inText]) {
      inPattern += 1;
      inText += 1;
    } else if (lastStar >= 0) {
      textAtStar += 1;
      [inPattern, inText] = [lastStar + 1, textAtStar];
    } else {
      return false;
    }
  }
  while (pattern[inPattern] === '*') inPattern += 1;
  return inPattern === pattern.length;
}

/** `20260101-20261231`, `20260101-`, `-20261231`; each end as exact as it was given. */
function isInRange(range: string, value: string): boolean {
  const [from = '', to = '', ...more] = range.split('-');
  if (more.length > 0 || value === '') return false;
  const given = plainTime(value);
  const [first, last] = [plainTime(from), plainTime(to)];
  return (first === '' || given >= first) && (last === '' || given.slice(0, last.length) <= last);
}

/** Dates and times of older standards have dots and colons. */
function plainTime(text: string): string {
  return text
    .trim()
    .replace(/^(\d{4})\.(\d\d)\.(\d\d)/, '$1$2$3')
    .replaceAll(':', '');
}
